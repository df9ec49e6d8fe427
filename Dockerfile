# The checkout at /opt/previs, for work pools that start containers: docs/deploying.md
FROM python:3.12-slim

RUN useradd --create-home --uid 1000 previs

# A stopped container hands its run back, to be started again elsewhere; a run that is cancelled ends as Cancelled.
ENV PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR=reschedule \
    PREFECT_HOME=/home/previs/.prefect \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    PYTHONUNBUFFERED=1

WORKDIR /opt/previs

# What is installed changes seldom. It is editable, which puts this folder on the path: no wheel carries the flows.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN pip install --no-cache-dir --root-user-action=ignore --constraint constraints.txt --editable .

# .dockerignore names what there is.
COPY . .
RUN python -m compileall -q previs blocks tasks flows

# No ENTRYPOINT and no init: as process 1 Prefect's command outlives the SIGTERM that is for the flow.
USER previs
CMD ["previs", "--help"]
