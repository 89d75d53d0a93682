"""`python -m wallet_billing.local run | services | manage …`: what the Makefile calls."""

import os
import sys

from wallet_billing.local.console import Console
from wallet_billing.local.errors import LaunchError
from wallet_billing.local.options import read_options
from wallet_billing.local.run import StopRequested, run, serve_only
from wallet_billing.local.running import manage
from wallet_billing.local.state import StateDirectory

USAGE = "python -m wallet_billing.local run | services | manage COMMAND …"


def main(arguments: list[str]) -> int:
    """The exit code: 0 after a stop that was asked for, 1 for what could not be started, 2 for a wrong call."""
    given = dict(os.environ)
    try:
        options = read_options(given)
        match arguments:
            case ["run"]:
                run(options, given=given, console=Console())
            case ["services"]:
                serve_only(options, given=given, console=Console())
            case ["manage", *rest] if rest:
                manage(StateDirectory(options.state_dir), arguments=rest)
            case _:
                sys.stderr.write(f"usage: {USAGE}\n")
                return 2
    except LaunchError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except (StopRequested, KeyboardInterrupt):
        sys.stderr.write("\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
