# One image for every part: `nfe up worker`, `nfe up beat`, `nfe up flower`, `nfe up web`, `nfe migrate`, …

FROM python:3.12-slim AS build
WORKDIR /build
RUN python -m venv /opt/nfe
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY workflow workflow
COPY tasks tasks
COPY templates templates
RUN /opt/nfe/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt '.[postgresql,sqs,otel]'

FROM python:3.12-slim
RUN useradd --uid 10001 --create-home nfe && install -d -o nfe -g nfe -m 0700 /data /sandbox && install -d /run/secrets
COPY --from=build /opt/nfe /opt/nfe
ENV PATH=/opt/nfe/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NFE_DATA_DIR=/data \
    NFE_LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
VOLUME /data
ENTRYPOINT ["nfe"]
CMD ["--help"]
