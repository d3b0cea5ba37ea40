/** What is known of a shape: its pace, and what catalogs said of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { analyze, loadParsers } from '../../routing/index.ts';
import { Shape } from '../../src/server/shape.ts';

await loadParsers();
const shapeOf = (sql: string): Shape => new Shape(analyze(sql, 'libpg-query', { standardConformingStrings: true }));
const ran = (shape: Shape, times: number, ms: number, bytes = 100): Shape => {
  for (let i = 0; i < times; i++) shape.ran(ms, bytes);
  return shape;
};

describe('the pace of a shape', () => {
  it('is not known before the first run', () => {
    assert.equal(shapeOf('select 1').isQuick, false);
    assert.equal(ran(shapeOf('select 1'), 1, 1).isQuick, true);
  });
  it('is slow when the first run was, and forgiven after some that were not', () => {
    const shape = ran(shapeOf('select 1'), 1, 30);
    assert.equal(shape.isQuick, false);
    assert.equal(ran(shape, 4, 0).isQuick, true);
  });
  it('is told by its best runs where it ran alone beside much else', () => {
    const shape = shapeOf('select 1');
    for (let i = 0; i < 120; i++) shape.ranAlone(i % 8 === 7 ? 2 : 60, 100);
    assert.equal(shape.isQuick, true);
    for (let i = 0; i < 400; i++) shape.ranAlone(60, 100);
    assert.equal(shape.isQuick, false);
  });
  it('turns slow after one that took very long, whatever was before, and comes back', () => {
    const shape = ran(shapeOf('select 1'), 10_000, 1);
    assert.equal(ran(shape, 1, 500).isQuick, false);
    let runs = 0;
    for (; !shape.isQuick && runs < 200; runs++) shape.ran(1, 100);
    assert.ok(runs > 5 && runs < 120, String(runs));
  });
  it('is slow when it is now this, now that', () => {
    const shape = shapeOf('select 1');
    for (let i = 0; i < 100; i++) shape.ran(i % 20 === 0 ? 150 : 0, 100);
    assert.equal(shape.isQuick, false);
  });
  it('is not small where answers are large', () => {
    assert.equal(ran(shapeOf('select 1'), 20, 0, 40_000).isQuick, false);
    assert.equal(ran(shapeOf('select 1'), 20, 0, 30_000).isQuick, true);
    assert.equal(ran(ran(shapeOf('select 1'), 100, 0, 100), 1, 0, 10_000_000).isQuick, false);
  });
});

describe('what catalogs said of a shape', () => {
  it('holds for one database, one generation of definitions, and a minute', () => {
    const shape = shapeOf('select 1');
    shape.learn('a', true, 1, 1000);
    assert.equal(shape.isCleared('a', 1, 60_999), true);
    assert.equal(shape.isCleared('a', 1, 61_000), false);
    assert.equal(shape.isCleared('a', 2, 1000), false);
    assert.equal(shape.isCleared('b', 1, 1000), false);
    shape.learn('b', false, 1, 1000);
    assert.equal(shape.isCleared('b', 1, 1000), false);
  });
  it('is wanted when nobody asks and it is not known, or of before', () => {
    const shape = shapeOf('select 1');
    assert.equal(shape.wantsClearance('a', 1, 0), true);
    shape.asked('a');
    assert.equal(shape.wantsClearance('a', 1, 0), false);
    assert.equal(shape.isCleared('a', 1, 0), false);
    shape.learn('a', undefined, 1, 0);
    assert.equal(shape.wantsClearance('a', 1, 0), true);
    shape.learn('a', false, 1, 0);
    assert.equal(shape.wantsClearance('a', 1, 59_999), false);
    assert.equal(shape.wantsClearance('a', 1, 60_000), true);
    assert.equal(shape.wantsClearance('a', 2, 0), true);
  });
  it('that was asked in an earlier generation does not count in this one', () => {
    const shape = shapeOf('select 1');
    shape.asked('a');
    shape.learn('a', true, 1, 0);
    assert.equal(shape.isCleared('a', 2, 0), false);
  });
  it('is not wanted of what may not share by its text', () => {
    assert.equal(shapeOf('insert into t values (1)').wantsClearance('a', 1, 0), false);
  });
});
