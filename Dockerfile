# Shardyard's image: compiled in one stage; the other holds Node.js, the compiled program and what it needs to run.
FROM node:22-alpine AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY routing routing
COPY src src
RUN npx tsc -p tsconfig.json \
    && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
    # Of this package one file is used; the rest is 88 MB of other dialects and source maps.
    && find node_modules/node-sql-parser -type f \
       ! -path '*/node-sql-parser/package.json' ! -path '*/node-sql-parser/LICENSE' ! -path '*/node-sql-parser/build/postgresql.js' -delete

FROM node:22-alpine
ENV NODE_ENV=production
WORKDIR /opt/shardyard
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY package.json LICENSE ./
COPY bin bin
COPY config/docker/standalone.ini /etc/shardyard/shardyard.ini
USER node
EXPOSE 6432 9127
# metrics_port of the configuration, if it is another than the one of /etc/shardyard/shardyard.ini here.
ENV SHARDYARD_METRICS_PORT=9127
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.SHARDYARD_METRICS_PORT}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Safe shutdown: running transactions end first.
STOPSIGNAL SIGINT
ENTRYPOINT ["node", "/opt/shardyard/bin/shardyard.js"]
CMD ["/etc/shardyard/shardyard.ini"]
