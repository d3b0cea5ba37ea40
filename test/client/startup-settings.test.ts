/** The settings of a start-up packet: Postgres's rules for `options`, and what is no setting. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startupSettings } from '../../src/client/startup-settings.ts';

const read = (parameters: Readonly<Record<string, string>>, ignored: readonly string[] = []) => {
  const settings = startupSettings(new Map(Object.entries(parameters)), ignored);
  return 'refused' in settings ? settings.refused.message : Object.fromEntries(settings.values);
};

describe('start-up settings', () => {
  it('are the parameters that are settings, by their folded names', () => {
    assert.deepEqual(read({ user: 'u', database: 'd', DateStyle: 'ISO', application_name: '' }), {
      datestyle: 'ISO',
      application_name: '',
    });
    assert.deepEqual(read({ '_pq_.x': '1', replication: 'false' }), {});
  });

  it('come from options in each of its forms', () => {
    const expected = { work_mem: '1MB', search_path: 'a, b' };
    for (const options of [
      '-c work_mem=1MB -c search_path=a,\\ b',
      '-cwork_mem=1MB --search_path=a,\\ b',
      '  --work-mem=1MB\t-c  search-path=a,\\ b ',
      '-c WORK_MEM=1MB -c Search_Path=a,\\ b',
    ]) {
      assert.deepEqual(read({ options }), expected, options);
    }
    assert.deepEqual(read({ options: '-c a=b=c -c d=' }), { a: 'b=c', d: '' });
    assert.deepEqual(read({ options: '-c a=\\\\x' }), { a: '\\x' });
    assert.deepEqual(read({ options: '-c a=1 -c a=2' }), { a: '2' });
    assert.deepEqual(read({ options: '' }), {});
  });

  it('given as a parameter win over those in options', () => {
    assert.deepEqual(read({ options: '-c datestyle=SQL', datestyle: 'ISO' }), { datestyle: 'ISO' });
  });

  it('anything else in options is refused', () => {
    for (const options of ['-d 5', 'x', '-c', '-c work_mem', '--', '--=x', '-c =x', '-B 100']) {
      assert.match(String(read({ options })), /^unsupported options startup parameter/, options);
    }
  });

  it('to be ignored are ignored, also in options, or options as a whole', () => {
    assert.deepEqual(read({ extra_float_digits: '3', options: '-c search_path=x -c a=1' }, ['extra_float_digits', 'search_path']), {
      a: '1',
    });
    assert.deepEqual(read({ options: '-d 5' }, ['options']), {});
  });
});
