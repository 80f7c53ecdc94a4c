// Fixed, so that times in tests do not depend on the machine.
process.env.TZ = 'UTC';

const base = require('./.config/jest.config');
const { grafanaESModules, nodeModulesToTransform } = require('./.config/jest/utils');

const [swc] = Object.values(base.transform);

// Packages below @grafana/ui that exist as ES modules only; Jest has to transform them like our own code.
const esModules = ['@react-hookz', '@ver0', 'd3-.*', 'internmap', 'delaunator', 'robust-predicates'];

module.exports = {
  ...base,
  // A loaded machine is slow to type.
  testTimeout: 120_000,
  transform: { '^.+\\.(mjs|[jt]sx?)$': swc },
  transformIgnorePatterns: [nodeModulesToTransform([...grafanaESModules, ...esModules])],
};
