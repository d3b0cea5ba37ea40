/** The pure parts of the benchmark: figures, what pgbench prints, the command line, targets. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { offSettings } from './analysis-off.ts';
import { loopDelayIn } from './loop-delay.ts';
import { median, medians, percentile, ratio, short, times } from './numbers.ts';
import { readOptions } from './options.ts';
import { addLatencies, type Latencies, percentilesMs, readSummary } from './pgbench-output.ts';
import { knowsPrepared } from './poolers.ts';
import { contenderResult, type RowResult, verdictsOf } from './results.ts';
import { copyBlock } from './run-copy.ts';
import { idleClients } from './run-idle.ts';
import { cpuFigures } from './run-pgbench.ts';
import { TARGETS } from './targets.ts';
import { ticksOf } from './usage.ts';
import { WORKLOADS } from './workloads.ts';

const SUMMARY_15 = `pgbench (15.4)
transaction type: <builtin: select only>
number of clients: 4
number of transactions actually processed: 12345
number of failed transactions: 0 (0.000%)
latency average = 0.081 ms
initial connection time = 5.123 ms
tps = 49380.123456 (without initial connection time)
`;

describe('figures', () => {
  it('takes the middle value, or the mean of the two in the middle', () => {
    assert.equal(median([]), undefined);
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 10, 2]), 3);
  });

  it('takes percentiles by nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
    assert.deepEqual(
      [0, 0.5, 0.95, 0.99, 1].map((share) => percentile(hundred, share)),
      [1, 50, 95, 99, 100],
    );
    assert.equal(percentile([7], 0.99), 7);
    assert.equal(percentile([], 0.5), undefined);
  });

  it('has no ratio to nothing', () => {
    assert.equal(ratio(6, 4), 1.5);
    assert.equal(ratio(6, 0), undefined);
    assert.equal(ratio(undefined, 4), undefined);
    assert.equal(ratio(6, undefined), undefined);
  });

  it('takes the median of each figure for itself', () => {
    assert.deepEqual(medians<string>([{ a: 1, b: 5 }, { a: 3 }, { a: 2 }]), { a: 2, b: 5 });
  });

  it('writes numbers with three digits', () => {
    assert.deepEqual([12345.6, 999.6, 123.4, 4.5678, 0.078, 0, 0.0001234, undefined].map(short), [
      ...['12,300', '1,000', '123', '4.57', '0.0780', '0', '0.000123', '–'],
    ]);
    assert.deepEqual([1.934, undefined].map(times), ['1.93 ×', '–']);
  });

  it('divides CPU by transactions', () => {
    assert.deepEqual(cpuFigures(300, 100, 10), { cpuUs: 40, userUs: 30, systemUs: 10 });
  });
});

describe('what pgbench says', () => {
  it('is read from its summary', () => {
    assert.deepEqual(readSummary(SUMMARY_15), { transactions: 12345, tps: 49380.123456, failed: 0 });
  });

  it('is read from that of versions before 14, with two rates', () => {
    const old =
      'number of transactions actually processed: 10\ntps = 5.5 (including connections establishing)\ntps = 6.5 (excluding connections establishing)\n';
    assert.deepEqual(readSummary(old), { transactions: 10, tps: 6.5, failed: 0 });
  });

  it('is read where it connects for each transaction', () => {
    const each = 'number of transactions actually processed: 10\ntps = 5.5 (including reconnection times)\n';
    assert.equal(readSummary(each)?.tps, 5.5);
  });

  it('has no rate where the time was over before any transaction', () => {
    const none = 'number of transactions actually processed: 0\nnumber of failed transactions: 0 (NaN%)\n';
    assert.deepEqual(readSummary(none), { transactions: 0, tps: 0, failed: 0 });
  });

  it('is nothing where there is no summary', () => {
    assert.equal(readSummary('pgbench: error: connection failed\n'), undefined);
  });

  it('is read from its log, by script, without the failed ones', () => {
    const latencies: Latencies = new Map();
    addLatencies('0 1 250 0 1700000000 123\n1 1 900 1 1700000000 456\n0 2 failed 0 1700000000 789\n0 3 150 0 1700000001 1\n\n', latencies);
    assert.deepEqual(
      [...latencies],
      [
        [0, [250, 150]],
        [1, [900]],
      ],
    );
    assert.deepEqual(percentilesMs(latencies.get(0) ?? []), { p50Ms: 0.15, p95Ms: 0.25, p99Ms: 0.25 });
    assert.deepEqual(percentilesMs([]), {});
  });
});

describe('what the system says', () => {
  it('has the ticks of a process whatever its name', () => {
    const [head, rest] = ['4242 (a) odd (name) S', '1 2 3 4 5 6 7 8 9 10 111 222 0 0'];
    assert.deepEqual(ticksOf(`${head} ${rest}`), [111, 222]);
  });

  it('has the delay of the event loop, less the timer', () => {
    assert.equal(loopDelayIn('# TYPE x gauge\nnodejs_eventloop_lag_p99_seconds 0.0125\n')?.toFixed(3), '2.500');
    assert.equal(loopDelayIn('nodejs_eventloop_lag_p99_seconds 0\n'), undefined);
    assert.equal(loopDelayIn(''), undefined);
  });

  it('bounds the idle clients by the files that may be open', () => {
    assert.deepEqual(
      [20_000, 1024, 100].map((limit) => idleClients(5000, limit)),
      [5000, 524, 0],
    );
  });

  it('says whether PgBouncer can prepare in transaction mode', () => {
    assert.deepEqual(['1.18.0', '1.20.1', '1.21.0', '1.25.0', '2.0'].map(knowsPrepared), [false, false, true, true, true]);
  });
});

describe('the command line', () => {
  it('has defaults, fewer with --quick', () => {
    assert.deepEqual(
      [readOptions([]), readOptions(['--quick'])].map(({ runs, seconds }) => [runs, seconds]),
      [
        [5, 5],
        [2, 1],
      ],
    );
  });

  it('takes names, numbers and settings', () => {
    const options = readOptions(['--only', 'tpcb', '--only=copy', '--runs', '7', '--off', 'state_audit=off']);
    assert.deepEqual([options.only, options.runs, options.off], [['tpcb', 'copy'], 7, { state_audit: 'off' }]);
  });

  it('refuses what it does not know', () => {
    for (const args of [['--runs', '0'], ['--runs', 'x'], ['--fast'], ['--off', 'x'], ['tpcb']]) assert.throws(() => readOptions(args));
  });

  it('has names for workloads that occur once', () => {
    const names = WORKLOADS.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
  });
});

describe('the row that compares with all off', () => {
  it('ignores what a policy can ignore, and takes what is given', () => {
    const off = offSettings({ facts_cache_size: '7' }) ?? {};
    assert.equal(off['session_state.settings'], 'ignore');
    assert.equal(off['session_state.prepared'], undefined);
    assert.equal(off.state_audit, 'off');
    assert.equal(off.facts_cache_size, '7');
  });
});

describe('COPY', () => {
  it('sends whole lines in whole frames', () => {
    const { frames, bytes } = copyBlock(500);
    let [at, text] = [0, ''];
    while (at < frames.length) {
      assert.equal(frames.toString('latin1', at, at + 1), 'd');
      const end = at + 1 + frames.readInt32BE(at + 1);
      text += frames.toString('latin1', at + 5, end);
      assert.ok(text.endsWith('\n'));
      at = end;
    }
    assert.equal(text.length, bytes);
    assert.equal(text.split('\n').length, 501);
  });
});

const row = (name: string, shardyard: number, pgbouncer?: number): RowResult => ({
  name,
  title: name,
  unit: 'transactions/s',
  contenders: [
    contenderResult('shardyard', [{ figures: { rate: shardyard, loopDelayMs: 3 } }, { failure: 'it rained' }]),
    ...(pgbouncer === undefined ? [] : [contenderResult('pgbouncer', [{ figures: { rate: pgbouncer } }])]),
  ],
});
const verdict = (rows: readonly RowResult[], title: string): unknown => {
  const found = verdictsOf(rows).find(({ target }) => target.title === title && target.against !== 'direct');
  return found && [found.value, found.met];
};

describe('the targets', () => {
  it('name workloads that exist, those of --quick among them', () => {
    for (const name of TARGETS.flatMap(({ workloads }) => workloads).filter((name) => name !== '*')) {
      assert.ok(
        WORKLOADS.some((workload) => workload.name === name),
        name,
      );
    }
    for (const { workloads, title } of TARGETS) {
      assert.ok(
        workloads.some((name) => name === '*' || WORKLOADS.find((workload) => workload.name === name)?.quick),
        title,
      );
    }
  });

  it('are met or not', () => {
    const title = 'TPC-B-like, 16 clients, extended';
    assert.deepEqual(verdict([row('tpcb-extended-16', 115, 100)], title), [1.15, true]);
    assert.deepEqual(verdict([row('tpcb-extended-16', 114, 100)], title), [1.14, false]);
  });

  it('are not known where a figure is missing, and not asked where the row was not run', () => {
    const title = 'TPC-B-like, 16 clients, extended';
    assert.deepEqual(verdict([row('tpcb-extended-16', 115)], title), [undefined, undefined]);
    assert.equal(verdict([row('select-simple-1', 1, 1)], title), undefined);
  });

  it('take the worst delay of all rows', () => {
    const rows = [row('a', 1), { ...row('b', 1), contenders: [contenderResult('shardyard', [{ figures: { loopDelayMs: 12 } }])] }];
    assert.deepEqual(verdict(rows, 'event-loop delay, p99 through all runs'), [12, false]);
  });
});
