import { DataQueryRequest } from '@grafana/data';

import type { WeirDataSource } from './datasource';
import { decodeQuery } from './query';
import { WeirQuery } from './types';
import { WeirVariables } from './variables';

const source = { query: jest.fn() };
const variables = new WeirVariables(source as unknown as WeirDataSource);

it('starts with the hosts', () => {
  expect(decodeQuery({ refId: 'A', ...variables.getDefaultQuery() })).toMatchObject({
    queryType: 'variable',
    variable: 'hosts',
  });
});

it('asks the data source, whatever the saved query says it is', () => {
  const targets = [{ variable: 'labelValues', label: 'customer', hosts: 'company=$company' }];

  variables.query({ targets, scopedVars: {} } as unknown as DataQueryRequest<WeirQuery>);

  expect(source.query.mock.lastCall![0].targets).toEqual([{ refId: 'variable', queryType: 'variable', ...targets[0] }]);
});
