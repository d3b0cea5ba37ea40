/**
 * docker-compose.yml and the Dockerfile, checked as far as that goes without Docker: the Compose Specification's own schema
 * (compose-spec.json, under the licence beside it), files that are mounted, ports that must agree, and the configuration in use.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';
import { projectRoot } from '../support/root.ts';

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: unknown;
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const read = (file: string): string => readFileSync(path.join(projectRoot, file), 'utf8');
const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const services = Object.entries(compose.services);
const shardyard = compose.services.shardyard as Service;
const dockerfile = read('Dockerfile');
const config = loadConfig(path.join(projectRoot, 'config/docker/shardyard.ini'));

/** Instructions of the last stage, continued lines joined. */
const lastStage = (
  dockerfile
    .replace(/\\\n/g, ' ')
    .split(/^FROM /m)
    .at(-1) ?? ''
)
  .split('\n')
  .filter((line) => !line.startsWith('#'));
const instruction = (name: string): string | undefined => lastStage.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1);

describe('docker-compose.yml', () => {
  it('is valid by the schema of the Compose Specification', () => {
    const { $schema, ...schema } = JSON.parse(read('test/packaging/compose-spec.json')) as Record<string, unknown>;
    assert.match(String($schema), /draft-07/);
    const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(schema);
    assert.equal(validate(compose), true, JSON.stringify(validate.errors, null, 2));
    assert.equal(validate({ services: { x: { prots: ['1:1'] } } }), false, 'the schema finds what is wrong');
  });

  it('mounts files that exist and volumes that are declared', () => {
    for (const [name, { volumes = [] }] of services) {
      for (const volume of volumes) {
        const source = volume.split(':')[0] ?? '';
        if (source.startsWith('.')) assert.ok(statSync(path.join(projectRoot, source)).isFile(), `${name}: ${volume}`);
        else assert.ok(source in compose.volumes, `${name}: ${volume}`);
      }
    }
    for (const script of ['primary.sh', 'replica.sh'])
      assert.ok(statSync(path.join(projectRoot, 'config/docker', script)).mode & 0o100, script);
  });

  it('has a server for every host of the configuration, and replicas of servers that exist', () => {
    const hosts = [...config.databases.values()].flatMap((database) => database.hosts);
    assert.equal(hosts.length, 4);
    for (const { host, port } of hosts) {
      assert.match(compose.services[host]?.image ?? '', /^postgres:/);
      assert.equal(port, 5432);
      assert.equal(compose.services[host]?.environment?.POSTGRES_DB, 'shop');
    }
    for (const [, { environment }] of services) {
      const primary = environment?.PRIMARY;
      if (primary !== undefined) assert.ok(primary in compose.services);
    }
  });

  it('publishes the ports that Shardyard listens on, and Prometheus scrapes one of them', () => {
    const { listen_port, metrics_port } = config.settings;
    assert.deepEqual(shardyard.ports, [`${listen_port}:${listen_port}`, `${metrics_port}:${metrics_port}`]);
    const prometheus = parse(read('config/prometheus.yml')) as {
      readonly scrape_configs: readonly {
        readonly metrics_path: string;
        readonly static_configs: readonly { readonly targets: readonly string[] }[];
      }[];
    };
    assert.deepEqual(prometheus.scrape_configs[0]?.static_configs[0]?.targets, [`shardyard:${metrics_port}`]);
    assert.equal(prometheus.scrape_configs[0]?.metrics_path, '/metrics');
  });

  it('runs a configuration of two shards that shares servers and asks clients for a password', () => {
    const { auth_type, auth_file, listen_addr, pool_mode } = config.settings;
    assert.deepEqual({ auth_type, listen_addr, pool_mode }, { auth_type: 'scram-sha-256', listen_addr: '*', pool_mode: 'transaction' });
    assert.ok(shardyard.volumes?.some((volume) => volume.split(':')[1] === auth_file));
    assert.deepEqual(config.databases.get('shop')?.shards, ['shop_0', 'shop_1']);
    assert.deepEqual(config.notImplemented, []);
  });
});

describe('the Dockerfile', () => {
  it('builds in one stage and runs in another, not as root, with a health check', () => {
    assert.equal(dockerfile.match(/^FROM /gm)?.length, 2);
    assert.equal(instruction('USER'), 'node');
    assert.match(instruction('HEALTHCHECK') ?? '', /\/healthz/);
  });

  it('exposes the ports of the configuration inside the image, which is the one it starts', () => {
    const { settings } = loadConfig(path.join(projectRoot, 'config/docker/standalone.ini'));
    assert.equal(instruction('EXPOSE'), `${settings.listen_port} ${settings.metrics_port}`);
    assert.ok(lastStage.includes(`ENV SHARDYARD_METRICS_PORT=${settings.metrics_port}`));
    assert.equal(instruction('CMD'), '["/etc/shardyard/shardyard.ini"]');
    assert.ok(lastStage.includes('COPY config/docker/standalone.ini /etc/shardyard/shardyard.ini'));
  });

  it('copies only files that exist and that .dockerignore lets through', () => {
    const letThrough: readonly string[] = read('.dockerignore').match(/(?<=^!).*/gm) ?? [];
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) => sources.split(' '));
    assert.ok(copied.length > 5);
    for (const source of copied) {
      assert.ok(existsSync(path.join(projectRoot, source)), source);
      assert.ok(letThrough.includes(source), `${source} is ignored`);
    }
  });

  it('keeps what node-sql-parser needs', () => {
    const kept = [...dockerfile.matchAll(/! -path '\*\/(node-sql-parser\/[^']+)'/g)].map(([, file = '']) => file);
    assert.equal(kept.length, 3);
    const folder = mkdtempSync(path.join(os.tmpdir(), 'sy-'));
    for (const file of [...kept, 'big-integer']) {
      const target = path.join(folder, 'node_modules', file);
      mkdirSync(path.dirname(target), { recursive: true });
      cpSync(path.join(projectRoot, 'node_modules', file), target, { recursive: true });
    }
    const { Parser } = createRequire(path.join(folder, 'x.js'))('node-sql-parser/build/postgresql.js') as {
      readonly Parser: new () => { parse(sql: string): { readonly tableList: readonly string[] } };
    };
    assert.deepEqual(new Parser().parse('SELECT a FROM t').tableList, ['select::null::t']);
    rmSync(folder, { recursive: true });
  });
});
