/** The threads that read long texts: what they find, whose turn it is, and what is left when one of them ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { analyze, condense, type Facts, loadParsers } from '../../routing/index.ts';
import { NOT_READ } from '../../src/client/read-text.ts';
import { Reader, type Turn } from '../../src/client/reader.ts';

const READING = { encoding: 'UTF8', standardConformingStrings: true };
const plain = (facts: Facts): unknown => JSON.parse(JSON.stringify(facts));

/** Reads a text as a session does. */
function read(reader: Reader, text: string, byValues = false, started: (turn: Turn) => void = () => {}): Promise<Facts> {
  return new Promise((resolve) => {
    const bytes = Buffer.from(text);
    let turn: Turn | undefined;
    let mine = false;
    const start = (): void => {
      turn!.start(bytes, READING, byValues);
      started(turn!);
    };
    turn = reader.read(bytes.length, {
      turn: () => {
        mine = true;
        if (turn !== undefined) start();
      },
      done: resolve,
    });
    if (mine) start();
  });
}

async function withReader(work: (reader: Reader) => Promise<void>): Promise<void> {
  const reader = new Reader(() => 'libpg-query');
  try {
    await work(reader);
  } finally {
    reader.stop();
  }
}

test('a text read in a thread has the facts that it has elsewhere', async () => {
  await loadParsers();
  await withReader(async (reader) => {
    for (const text of ['insert into t (a) values (1), (2) -- ü', "set work_mem = '7MB'; select f(1) from v", 'select from where']) {
      assert.deepEqual(plain(await read(reader, text, true)), plain(analyze(text)));
      assert.deepEqual(plain(await read(reader, text, false)), plain(condense(analyze(text))));
    }
  });
});

test('facts of many statements come in parts, and in order', async () => {
  await withReader(async (reader) => {
    const facts = await read(reader, Array.from({ length: 1234 }, (_, i) => `set work_mem = ${i}`).join(';'));
    assert.deepEqual(
      facts.statements.map(({ effects }) => effects[0]?.value),
      Array.from({ length: 1234 }, (_, i) => String(i)),
    );
  });
});

test('texts are read in the order in which they came, and a small one does not wait for a large one', async () => {
  await withReader(async (reader) => {
    const order: string[] = [];
    const large = 'insert into t values (1, 2, 3);'.repeat(300_000);
    const all = [
      read(reader, large).then(() => order.push('large')),
      read(reader, 'select 1').then(() => order.push('first')),
      read(reader, 'select 2').then(() => order.push('second')),
    ];
    await Promise.all(all);
    assert.deepEqual(order, ['first', 'second', 'large']);
  });
});

test('a thread that ends leaves its text unread, and the next one is read by another', async () => {
  await withReader(async (reader) => {
    process.once('worker', (worker: Worker) => void worker.terminate());
    assert.equal(await read(reader, 'select 1'), NOT_READ);
    assert.equal((await read(reader, 'select 1')).understood, true);
  });
});

test('who leaves is told nothing, and does not keep those behind', async () => {
  await withReader(async (reader) => {
    const large = `select ${'1 + '.repeat(1_000_000)} 1`;
    const told: string[] = [];
    void read(reader, large, false, (turn) => turn.leave()).then(() => told.push('left'));
    assert.equal((await read(reader, `select 1 ${' '.repeat(200_000)}`)).understood, true);
    assert.deepEqual(told, []);
  });
});
