/** The storms that there are. */
import type { StormOptions } from './storm.ts';

const ALL: StormOptions['weather'] = ['kill', 'cut', 'console', 'definitions'];

export const STORMS: Readonly<Record<string, Omit<StormOptions, 'seconds' | 'clients'>>> = {
  'of all kinds': { seed: 1, settings: 'default_pool_size = 5', weather: ALL },
  'on one connection': { seed: 2, settings: 'default_pool_size = 1', weather: ['kill', 'console'] },
  'on two connections, narrow and shallow': {
    seed: 3,
    settings: 'default_pool_size = 2\npipeline_width = 1\npipeline_depth = 2\nmax_prepared_statements = 1',
    weather: ALL,
  },
  'wide and deep, without auto_prepare': {
    seed: 4,
    settings: 'default_pool_size = 4\npipeline_width = 4\npipeline_depth = 200\nauto_prepare = off',
    weather: ['cut', 'definitions'],
  },
  'on twenty connections, with few kinds of trouble': {
    seed: 5,
    settings: 'default_pool_size = 20\npipeline_width = 2',
    weather: ['kill'],
  },
};
