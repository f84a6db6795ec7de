# The product without its tests and local servers; docker-compose.yml says what runs from it.

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN python -m venv /venv
COPY requirements.lock .
RUN /venv/bin/pip install --require-hashes -r requirements.lock
COPY . .
# The key is needed to read the settings and signs nothing.
RUN SECRET_KEY=only-for-collecting-static-files-at-build-time STATIC_ROOT=/static /venv/bin/python manage.py collectstatic --no-input

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 STATIC_ROOT=/static
RUN useradd --system --uid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin riskadmin \
    && install --directory --owner riskadmin /data
COPY --from=build /venv /venv
COPY --from=build /static /static
COPY --from=build /app /app
WORKDIR /app
USER riskadmin
EXPOSE 8000
CMD ["gunicorn", "riskadmin.wsgi:application", "--bind", ":8000", "--worker-class", "gthread", "--workers", "2", "--threads", "8"]
