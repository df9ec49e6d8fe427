# Install the checkout at /opt/previs, for work pools that start containers; see docs/deploying.md.
# python:3.12.14-slim for all processors; docs/decisions/0035-a-lock-with-hashes.md says how to take a newer one.
FROM python:3.12-slim@sha256:e5c9fa26ffb76e11e0f054f30dc2523a2f9693f0c36c0cf1e39b27e152d899fc

RUN useradd --create-home --uid 1000 previs

# The slates and subtitles of an animatic may be Chinese, Japanese or Korean.
RUN apt-get update && apt-get install --yes --no-install-recommends fonts-noto-cjk && rm -rf /var/lib/apt/lists/*

# The run of a stopped container is scheduled again elsewhere; a cancelled run ends as Cancelled.
ENV PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR=reschedule \
    PREFECT_HOME=/home/previs/.prefect \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    PYTHONUNBUFFERED=1

WORKDIR /opt/previs

# Another index than pip's own: docker build --build-arg PIP_INDEX_URL=…; without a password, which the image would show.
ARG PIP_INDEX_URL

# Dependencies change seldom, so they come first. The install is editable because no wheel carries the flows.
COPY pyproject.toml requirements.txt requirements-build.txt README.md LICENSE ./
RUN export PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_DEPS=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    && pip install --require-hashes --only-binary :all: --requirement requirements.txt \
    && pip install --require-hashes --only-binary :all: --requirement requirements-build.txt --target /tmp/build \
    && PYTHONPATH=/tmp/build pip install --no-build-isolation --editable . \
    && rm -r /tmp/build \
    && pip check

# .dockerignore lists what is copied.
COPY . .
RUN python -m compileall -q previs blocks tasks flows

# No ENTRYPOINT and no init: as process 1, Prefect's command survives the SIGTERM meant for the flow.
USER previs
CMD ["previs", "--help"]
