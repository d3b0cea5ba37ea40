/** md5 authentication against values computed by Postgres (`ALTER ROLE` with `password_encryption = md5`). */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { md5Answer, md5Secret } from '../../src/auth/md5.ts';

test('a secret at rest is that of Postgres', () => {
  // PgBouncer's documentation and suite use this pair: user muser1, password foo.
  assert.equal(md5Secret(Buffer.from('foo'), 'muser1'), 'md5ab8b744ff66bee42dc47bae34ca17959');
});

test('an answer hashes the hash and the salt', () => {
  const salt = Buffer.from([1, 2, 3, 4]);
  const inner = createHash('md5').update('secretalice').digest('hex');
  const outer = createHash('md5')
    .update(Buffer.concat([Buffer.from(inner), salt]))
    .digest('hex');
  assert.equal(md5Answer(md5Secret(Buffer.from('secret'), 'alice'), salt), `md5${outer}`);
});
