# The page and the API in a container, on the CPU unless told otherwise:
#   docker build -t rvc-voice .
#   docker build -t rvc-voice:cuda --build-arg TORCH=cuda .
FROM python:3.13-slim-bookworm

# cpu: the small build of torch. cuda: the build with NVIDIA's libraries (several GB).
ARG TORCH=cpu
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    RVC_HOME=/data \
    HOME=/data

RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends libportaudio2 tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 voice \
    && mkdir /data \
    && chown voice:voice /data

WORKDIR /program
COPY requirements.txt ./
RUN if [ "$TORCH" = cpu ]; then \
        grep -E "^torch(audio)?==" requirements.txt > torch.txt \
        && pip install --index-url https://download.pytorch.org/whl/cpu -r torch.txt; \
    fi \
    && pip install -r requirements.txt
COPY pyproject.toml README.md LICENSE app.py core.py ./
COPY tabs ./tabs
COPY rvc ./rvc
RUN pip install --no-deps .

USER voice
WORKDIR /data
VOLUME /data
EXPOSE 6969
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 6969), 4).close()"]
# Beyond the container a token is asked for: RVC_TOKEN, or one that is made up; `docker logs` shows it.
ENTRYPOINT ["tini", "--", "rvc-voice"]
CMD ["app", "--server-name", "0.0.0.0"]
