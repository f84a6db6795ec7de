# Two images; docker-compose.yml says what runs from each. First the simulator, alone and with packages of its own.

FROM python:3.11.14-slim-bookworm AS simulator
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY requirements-simulator.lock .
RUN pip install --require-hashes -r requirements-simulator.lock
RUN useradd --system --uid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin riskadmin \
    && install --directory --owner riskadmin /data
COPY riskadmin/__init__.py riskadmin/
COPY riskadmin/simulator riskadmin/simulator
USER riskadmin
CMD ["python", "-m", "riskadmin.simulator", "--data", "/data"]

# The product, without its tests, local servers and simulator. The last image is the one that a build without a target makes.

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN python -m venv --without-pip /venv
COPY requirements.lock .
RUN pip --python /venv/bin/python install --require-hashes -r requirements.lock
COPY . .
# The key is needed to read the settings and signs nothing. Pages that try the API out, which django-ninja brings, are not served.
RUN rm -r riskadmin/simulator requirements-simulator.lock \
    && SECRET_KEY=only-for-collecting-static-files-at-build-time STATIC_ROOT=/static /venv/bin/python manage.py collectstatic --no-input --ignore ninja

# pg_dump and pg_restore of the server's version, which Debian does not have, with the libraries that they need besides the C
# library: that one is of the same Debian release in both images.
FROM postgres:18.6-bookworm AS client
RUN mkdir --parents /client/bin /client/lib && cd /usr/lib/postgresql/18/bin && cp --dereference pg_dump pg_restore /client/lib \
    && ldd pg_dump pg_restore | sed --quiet 's/.* => \(\/[^ ]*\) .*/\1/p' | sort --unique \
        | grep --invert-match --extended-regexp '/lib(c|m|dl|rt|pthread|resolv)\.so' | xargs cp --dereference --target-directory /client/lib \
    && for program in pg_dump pg_restore; do \
        printf '#!/bin/sh\nLD_LIBRARY_PATH=/opt/postgresql/lib exec /opt/postgresql/lib/%s "$@"\n' $program > /client/bin/$program; \
    done && chmod 755 /client/bin/*

FROM python:3.11.14-slim-bookworm
ENV PATH=/venv/bin:$PATH:/opt/postgresql/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 STATIC_ROOT=/static
RUN useradd --system --uid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin riskadmin \
    && install --directory --owner riskadmin --mode 700 /backups
COPY --from=client /client /opt/postgresql
COPY --from=build /venv /venv
COPY --from=build /static /static
COPY --from=build /app /app
WORKDIR /app
USER riskadmin
EXPOSE 8000
CMD ["gunicorn"]
