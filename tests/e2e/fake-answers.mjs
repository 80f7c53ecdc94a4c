// What the fake host answers: the same figures always, in the frames of each query type.

export const HOSTS = ['amsterdam', 'berlin', 'chicago'];

const LABELS = {
  amsterdam: { company: 'acme', customer: 'office' },
  berlin: { company: 'acme', customer: 'hosting' },
  chicago: { company: 'globex', customer: 'office' },
};

const field = (name, kind, type, title, description) => ({
  name,
  kind,
  type,
  title,
  description,
  query: true,
  filter: kind === 'attribute',
});

export const fields = [
  field('time', 'label', 'time', 'Time', 'end of the interval the row was counted in'),
  field('host', 'label', 'string', 'Host', 'name of the host that captured'),
  field('iface', 'label', 'string', 'Interface', 'interface that captured'),
  field('sip', 'attribute', 'address', 'Source IP', 'address of the initiator'),
  field('dip', 'attribute', 'address', 'Destination IP', 'address of the responder'),
  field('dport', 'attribute', 'port', 'Destination port', 'port of the responder'),
  field('proto', 'attribute', 'protocol', 'Protocol', 'IP protocol'),
];

export function catalog(servers) {
  return {
    servers: servers.map((server) => ({ ...server, state: 'ok' })),
    interfaces: [
      { name: 'eth0', servers: HOSTS },
      { name: 'wan0', servers: ['berlin'] },
    ],
    fields,
    shorthands: [
      { name: 'talk_conv', fields: ['sip', 'dip'] },
      { name: 'agg_talk_port', fields: ['sip', 'dip', 'dport', 'proto'] },
    ],
    hosts: HOSTS.map((name) => ({ name, labels: LABELS[name], state: 'ok', interfaces: ['eth0'] })),
    lists: [{ name: 'scanners' }],
  };
}

export function validate({ condition }) {
  const offset = condition.indexOf('dprot');
  if (offset < 0) {
    return { valid: true, normalised: condition };
  }
  const message = `column ${offset + 1}: "dprot" is not an attribute; did you mean "dport"?`;
  const diagram = `${condition}\n${' '.repeat(offset)}^\n${message}`;
  return { valid: false, error: { message, offset, length: 5, expected: ['attribute'], nearest: 'dport', diagram } };
}

// Attributes that begin as the word at the cursor does, and what follows "=".
export function complete({ text, cursor }) {
  const [word] = /[\w.]*$/.exec(text.slice(0, cursor));
  const at = { offset: cursor - word.length, length: word.length };
  if (/[=(,]\s*[\w.]*$/.test(text.slice(0, cursor))) {
    return ['443', 'tcp', 'udp']
      .filter((value) => value.startsWith(word))
      .map((value) => ({ text: value, kind: 'value', ...at }));
  }
  return fields
    .filter(({ name, filter }) => filter && name.startsWith(word) && name !== word)
    .map(({ name, description }) => ({ text: name, kind: 'attribute', description, ...at }));
}

const values = (up) => ({
  time: () => 1700000000000,
  host: (i) => up[i % up.length],
  iface: () => 'eth0',
  sip: (i) => (i % 4 === 3 ? `2001:db8::${(i + 10).toString(16)}` : `192.0.2.${10 + i}`),
  dip: (i) => (i % 4 === 3 ? '2001:db8::53' : `198.51.100.${1 + (i % 3)}`),
  dport: (i) => ['443', '80', '53', '22'][i % 4],
  proto: (i) => (i % 4 === 2 ? 'udp' : 'tcp'),
});

const bytes = (i, at = 0) => Math.round((4e7 / (i + 1)) * (1 + 0.4 * Math.sin(at / 3 + i)));

export function command({ attributes, condition, interfaces }) {
  return `weir query -i ${interfaces}${condition ? ` -c '${condition}'` : ''} ${attributes.join(',')}`;
}

function meta(query, failedHost) {
  const text = `1 of 3 hosts did not answer: ${failedHost} (connection refused); Save & test of the data source says what to do`;
  return { executedQueryString: command(query), notices: failedHost ? [{ severity: 'warning', text }] : [] };
}

function frame(name, columns, meta) {
  return {
    schema: {
      name,
      meta,
      fields: columns.map(([name, type, , config]) => ({
        name,
        type,
        config: { filterable: type === 'string', ...config },
      })),
    },
    data: { values: columns.map(([, , column]) => column) },
  };
}

const every = (size, make) => Array.from({ length: size }, (_, i) => make(i));

export function table(query, failedHost) {
  const up = chosenHosts(query.hosts).filter((host) => host !== failedHost);
  const size = query.attributes.join() === 'host' ? up.length : Math.min(query.limit, 25);
  const titled = (name) => ({ displayNameFromDS: fields.find((field) => field.name === name)?.title });
  const columns = query.attributes.map((name) => [name, 'string', every(size, values(up)[name]), titled(name)]);
  const amount = (title) => ({ displayNameFromDS: title, unit: 'decbytes' });
  return [
    frame(
      '',
      [
        ...columns,
        ['bytes_received', 'number', every(size, bytes), amount('Bytes received')],
        ['bytes_sent', 'number', every(size, (i) => bytes(i) / 9), amount('Bytes sent')],
      ],
      meta(query, failedHost)
    ),
    ...(query.debug
      ? [
          frame('debugging', [
            ['host', 'string', HOSTS],
            ['state', 'string', HOSTS.map(() => 'ok')],
          ]),
        ]
      : []),
  ];
}

function series(query, failedHost, from, to) {
  const up = HOSTS.filter((host) => host !== failedHost);
  const groups = Math.min(query.attributes.join() === 'host' ? up.length : query.limit, 6);
  const step = (to - from) / 30;
  const times = every(30, (at) => Math.round(from + (at + 1) * step));
  return every(groups, (i) => {
    const name = query.attributes.map((attribute) => values(up)[attribute](i)).join(' ') || 'total';
    const amounts = times.map((_, at) => bytes(i, at));
    const columns = [
      ['time', 'time', times],
      ['bytes', 'number', amounts, { displayNameFromDS: name, unit: 'bps' }],
    ];
    return frame('', columns, i === 0 ? meta(query, failedHost) : undefined);
  });
}

function graph(query, failedHost) {
  const ids = every(6, (i) => `192.0.2.${10 + i}`);
  return [
    frame(
      'nodes',
      [
        ['id', 'string', ids],
        ['title', 'string', ids],
        ['mainstat', 'string', ids.map(() => '5 GB')],
      ],
      meta(query, failedHost)
    ),
    frame('edges', [
      ['id', 'string', ids.slice(1).map((_, i) => `e${i}`)],
      ['source', 'string', ids.slice(1)],
      ['target', 'string', ids.slice(1).map(() => ids[0])],
      ['thickness', 'number', ids.slice(1).map((_, i) => 5 - i)],
    ]),
  ];
}

function chosenHosts(selection) {
  const parts = selection.split(',').filter(Boolean);
  const names = parts.filter((part) => !part.includes('='));
  const labels = parts.filter((part) => part.includes('=')).map((part) => part.split('='));
  return HOSTS.filter(
    (host) =>
      (names.length === 0 || names.includes(host)) &&
      labels.every(([key, wanted]) => wanted.split('|').includes(LABELS[host][key]))
  );
}

function options({ variable, label, hosts }) {
  const chosen = chosenHosts(hosts);
  const lists = {
    hosts: chosen,
    interfaces: chosen.includes('berlin') ? ['eth0', 'wan0'] : ['eth0'],
    labelValues: [...new Set(chosen.map((host) => LABELS[host][label]))],
  };
  return [
    frame('', [
      ['text', 'string', lists[variable]],
      ['value', 'string', lists[variable]],
    ]),
  ];
}

// Reports are tables whose first columns say what they are about.
const report = (query, failedHost, ...names) => [
  frame(
    query.queryType,
    [...names.map((name) => [name, 'string', HOSTS]), ['bytes', 'number', [3, 2, 1]]],
    meta(query, failedHost)
  ),
];

/** The frames of a query. */
export function answer(query, failedHost, from, to) {
  switch (query.queryType) {
    case 'timeseries':
      return series(query, failedHost, from, to);
    case 'nodegraph':
      return graph(query, failedHost);
    case 'variable':
      return options(query);
    case 'path':
      return report(query, failedHost, 'host', 'iface', 'verdict');
    case 'actors':
      return report(query, failedHost, 'actor', 'hosts');
    case 'asymmetry':
      return report(query, failedHost, 'forward', 'backward');
    case 'hosts':
      return report(query, failedHost, 'host', 'state');
    default:
      return table(query, failedHost);
  }
}
