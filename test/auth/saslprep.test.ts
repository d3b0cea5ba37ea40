/** SASLprep against the examples of RFC 4013 and Postgres's own choices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { saslprep } from '../../src/auth/saslprep.ts';

function prepared(text: string): string {
  return saslprep(Buffer.from(text)).toString();
}

test('the examples of RFC 4013 are prepared as it says', () => {
  assert.equal(prepared('I\u00adX'), 'IX');
  assert.equal(prepared('user'), 'user');
  assert.equal(prepared('USER'), 'USER');
  assert.equal(prepared('\u00aa'), 'a');
  assert.equal(prepared('\u2168'), 'IX');
});

test('what cannot be prepared keeps its bytes', () => {
  assert.equal(prepared('\u0007'), '\u0007');
  assert.equal(prepared('\u0627\u0031'), '\u0627\u0031', 'right-to-left text must end as it begins');
  assert.equal(prepared('\u00aa\u0080'), '\u00aa\u0080', 'control character');
  assert.equal(prepared('\u00ad'), '\u00ad', 'nothing would be left');
  assert.equal(prepared('\u00aa\ue000'), '\u00aa\ue000', 'private use');
  assert.equal(prepared('\u00aa😀'), '\u00aa😀', 'not assigned in Unicode 3.2');
  assert.equal(prepared('\u05d0a\u05d0\u00aa'), '\u05d0a\u05d0\u00aa', 'both directions');
  const notUtf8 = Buffer.from([0xc2, 0xaa, 0xff]);
  assert.deepEqual(saslprep(notUtf8), notUtf8);
});

test('spaces of other scripts become spaces, joiners vanish, compatibility forms are unified', () => {
  assert.equal(prepared('a\u3000b\u00a0c'), 'a b c');
  assert.equal(prepared('a\u200db\u00e9'), 'ab\u00e9');
  assert.equal(prepared('e\u0301'), '\u00e9');
  assert.equal(prepared('ﬁn'), 'fin');
  assert.equal(prepared('\u200b\u00e9'), ' \u00e9', 'U+200B is a space first, as in Postgres');
  assert.equal(prepared('\u0627\u0644\u0627'), '\u0627\u0644\u0627', 'sound right-to-left text');
});

test('ASCII is left alone, and nothing ever throws', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary-ascii' }), (text) => prepared(text) === text));
  fc.assert(fc.property(fc.uint8Array(), (bytes) => saslprep(Buffer.from(bytes)) instanceof Buffer));
});
