# Install the checkout at /opt/previs, for work pools that start containers; see docs/deploying.md.
FROM python:3.12-slim

RUN useradd --create-home --uid 1000 previs

# The run of a stopped container is scheduled again elsewhere; a cancelled run ends as Cancelled.
ENV PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR=reschedule \
    PREFECT_HOME=/home/previs/.prefect \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    PYTHONUNBUFFERED=1

WORKDIR /opt/previs

# Dependencies change seldom, so they come first. The install is editable because no wheel carries the flows.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN pip install --no-cache-dir --root-user-action=ignore --constraint constraints.txt --editable .

# .dockerignore lists what is copied.
COPY . .
RUN python -m compileall -q previs blocks tasks flows

# No ENTRYPOINT and no init: as process 1, Prefect's command survives the SIGTERM meant for the flow.
USER previs
CMD ["previs", "--help"]
