/** The frame scanner: the same frames come out however the bytes are cut, whole or in pieces, taken or refused at first. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FrameScanner, type FrameSink, STREAM_HEAD } from '../../src/wire/frames.ts';
import * as frames from '../support/raw-frames.ts';

const LIMIT = 1_000_000;

/** Notes whole frames as they are, pieces put together; refuses now and then when told to. */
class Notes implements FrameSink {
  readonly seen: { readonly type: number; readonly bytes: Buffer; readonly streamed: boolean }[] = [];
  readonly bad: number[] = [];
  readonly heads: number[] = [];
  /** The type that is shown many at a time, and how many that were at most. */
  passing = 0;
  most = 0;
  readonly #whole: (type: number, length: number) => boolean;
  readonly #takes: () => boolean;
  #open: { type: number; pieces: Buffer[] } | undefined;

  constructor(whole: (type: number, length: number) => boolean, takes: () => boolean = () => true) {
    this.#whole = whole;
    this.#takes = takes;
  }
  frame(type: number, chunk: Buffer, start: number, end: number): boolean {
    if (!this.#takes()) return false;
    assert.equal(this.#open, undefined, 'no frame inside another');
    const ends = frames.endsIn(chunk, start, end);
    assert.ok(ends.length === 1 || this.passing === type, 'several at a time only of those that pass');
    this.most = Math.max(this.most, ends.length);
    let from = start;
    for (const to of ends) {
      assert.equal(chunk[from], type);
      this.seen.push({ type, bytes: Buffer.from(chunk.subarray(from, to)), streamed: false });
      from = to;
    }
    return true;
  }
  passes(type: number): boolean {
    return type === this.passing;
  }
  whole(type: number, length: number): boolean {
    return this.#whole(type, length);
  }
  open(type: number, length: number, chunk: Buffer, start: number, end: number): boolean {
    if (!this.#takes()) return false;
    assert.ok(end - start < length);
    this.heads.push(end - start);
    this.#open = { type, pieces: [Buffer.from(chunk.subarray(start, end))] };
    return true;
  }
  more(chunk: Buffer, start: number, end: number, last: boolean): void {
    assert.ok(this.#open !== undefined && end > start);
    this.#open.pieces.push(Buffer.from(chunk.subarray(start, end)));
    if (!last) return;
    this.seen.push({ type: this.#open.type, bytes: Buffer.concat(this.#open.pieces), streamed: true });
    this.#open = undefined;
  }
  malformed(_type: number, length: number): void {
    this.bad.push(length);
  }
}

/** Pushes everything in these pieces; what a refusal leaves is pushed again with what follows. */
function pushAll(scanner: FrameScanner, bytes: Buffer, cuts: readonly number[]): void {
  const places = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  let rest = Buffer.alloc(0);
  let from = 0;
  for (const to of places) {
    // A buffer that is reused, as the sockets' is: nothing of it may be kept.
    const chunk = Buffer.concat([rest, bytes.subarray(from, to)]);
    from = to;
    const taken = scanner.push(chunk);
    rest = Buffer.from(chunk.subarray(taken));
    chunk.fill(0xee);
  }
  for (let tries = 0; tries < 200; tries++) {
    const chunk = Buffer.from(rest);
    rest = Buffer.from(chunk.subarray(scanner.push(chunk)));
    chunk.fill(0xee);
  }
  assert.equal(rest.length, 0);
}

const body = fc.oneof(
  { arbitrary: fc.uint8Array({ maxLength: 30 }), weight: 5 },
  { arbitrary: fc.integer({ min: 0, max: 30_000 }).map((length) => new Uint8Array(length).fill(length % 251)), weight: 2 },
);
const frame = fc.tuple(fc.constantFrom('Q', 'P', 'B', 'd', 'D', 'Z'), body).map(([type, bytes]) => frames.frame(type, Buffer.from(bytes)));
const someFrames = fc.array(frame, { minLength: 1, maxLength: 12 });
const cuts = fc.array(fc.nat(200_000), { maxLength: 12 });

describe('the frame scanner', () => {
  it('shows the same frames at any cut, held or streamed', () => {
    fc.assert(
      fc.property(someFrames, cuts, fc.boolean(), fc.constantFrom(0, 0x64, 0x51), (parts, places, streams, passing) => {
        const notes = new Notes((type) => !streams || type !== 0x64);
        notes.passing = passing;
        const scanner = new FrameScanner(notes, LIMIT);
        pushAll(scanner, Buffer.concat(parts), places);
        assert.deepEqual(
          notes.seen.map(({ bytes }) => bytes.toString('hex')),
          parts.map((bytes) => bytes.toString('hex')),
        );
        assert.ok(notes.heads.every((head) => head >= STREAM_HEAD));
        assert.ok(scanner.between);
      }),
      { seed: 7, numRuns: 400 },
    );
  });

  it('shows a refused frame again, once it is pushed again, and loses nothing', () => {
    fc.assert(
      fc.property(someFrames, cuts, fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), (parts, places, answers) => {
        let asked = 0;
        // Every refusal is followed by a yes at some time.
        const notes = new Notes(
          (type) => type !== 0x64,
          () => asked++ % 3 === 2 || (answers[asked % answers.length] ?? true),
        );
        notes.passing = 0x64;
        const scanner = new FrameScanner(notes, LIMIT);
        pushAll(scanner, Buffer.concat(parts), places);
        assert.deepEqual(
          notes.seen.map(({ bytes }) => bytes.toString('hex')),
          parts.map((bytes) => bytes.toString('hex')),
        );
      }),
      { seed: 8, numRuns: 400 },
    );
  });

  it('shows those that nobody looks into all at once, as far as they are whole', () => {
    const notes = new Notes(() => true);
    notes.passing = 0x64;
    const scanner = new FrameScanner(notes, LIMIT);
    const row = frames.frame('d', 'a row');
    scanner.push(Buffer.concat([frames.sync(), row, row, row, frames.sync(), row, row, row.subarray(0, 7)]));
    scanner.push(row.subarray(7));
    assert.equal(notes.seen.map(({ type }) => String.fromCharCode(type)).join(''), 'SdddSddd');
    assert.equal(notes.most, 3);
    const broken = frames.frame('d', 'a row');
    broken.writeUInt32BE(2, 1);
    scanner.push(Buffer.concat([row, row, broken, row]));
    assert.deepEqual([notes.seen.length, notes.bad], [10, [3]]);
  });

  it('shows each frame of a chunk without copying it', () => {
    const chunk = Buffer.concat([frames.query('select 1'), frames.sync()]);
    const views: [Buffer, number, number][] = [];
    const sink = { ...plainSink, frame: (_type: number, bytes: Buffer, start: number, end: number) => views.push([bytes, start, end]) > 0 };
    assert.equal(new FrameScanner(sink, LIMIT).push(chunk), chunk.length);
    assert.deepEqual(
      views.map(([bytes, start, end]) => [bytes === chunk, start, end]),
      [
        [true, 0, 14],
        [true, 14, 19],
      ],
    );
  });

  it('says what length cannot be, and shows nothing after it', () => {
    for (const length of [0, 3, -1, -2_147_483_648, LIMIT, 0x7fffffff]) {
      for (const cut of [1, 3, 5, 7]) {
        const notes = new Notes(() => true);
        const scanner = new FrameScanner(notes, LIMIT);
        const bytes = Buffer.concat([frames.sync(), frames.frame('Q', 'select 1\0', length), frames.sync()]);
        scanner.push(Buffer.from(bytes.subarray(0, 5 + cut)));
        scanner.push(Buffer.from(bytes.subarray(5 + cut)));
        scanner.push(frames.sync());
        assert.equal(notes.bad.length, 1, `${length} cut at ${cut}`);
        assert.equal(notes.seen.length, 1);
      }
    }
  });

  it('stops in the middle of a chunk', () => {
    const notes = new Notes(
      () => true,
      () => {
        scanner.stop();
        return true;
      },
    );
    const scanner: FrameScanner = new FrameScanner(notes, LIMIT);
    scanner.push(Buffer.concat([frames.sync(), frames.sync(), frames.sync()]));
    assert.equal(notes.seen.length, 1);
  });

  it('a frame that claims to be large takes memory only as it comes', () => {
    const scanner = new FrameScanner(new Notes(() => true), 0x7fffffff);
    const before = process.memoryUsage().arrayBuffers;
    scanner.push(frames.frame('Q', 'select', 2_000_000_000));
    assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000);
  });
});

const plainSink: FrameSink = {
  frame: () => true,
  passes: () => false,
  whole: () => true,
  open: () => true,
  more: () => {},
  malformed: () => assert.fail('malformed'),
};
