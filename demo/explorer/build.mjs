// Bundles the explorer page into dist/: a page that loads the built plugin as Grafana does.
import { build } from 'esbuild';
import { cp, mkdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, 'dist');
const require = createRequire(import.meta.url);

// Grafana's packages come as ES modules and as CommonJS. Page and plugin must share one copy, and only the CommonJS
// one agrees with the CommonJS packages below it about default imports.
const grafanaAsCommonJS = {
  name: 'grafana-as-commonjs',
  setup({ onResolve }) {
    onResolve({ filter: /^@grafana\// }, ({ path, resolveDir }) => ({
      path: require.resolve(path, { paths: [resolveDir] }),
    }));
  },
};

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
const { metafile } = await build({
  entryPoints: [join(here, 'src/main.tsx')],
  outfile: join(dist, 'explorer.js'),
  bundle: true,
  minify: true,
  metafile: true,
  target: 'es2022',
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  loader: { '.css': 'empty', '.ttf': 'empty' },
  logOverride: { 'direct-eval': 'silent' },
  plugins: [grafanaAsCommonJS],
});
await cp(join(here, 'index.html'), join(dist, 'index.html'));
await cp(join(here, '../../src/img/logo.svg'), join(dist, 'logo.svg'));
// Icons are fetched one by one from where Grafana keeps them, relative to the page (see src/main.tsx).
const ui = dirname(require.resolve('@grafana/ui/package.json'));
const icons = join(dist, 'build/img/icons');
await cp(join(ui, 'dist/public/img/icons'), icons, { recursive: true });
// The one icon that is missing from the package.
await cp(join(icons, 'unicons/sync.svg'), join(icons, 'unicons/spinner.svg'));
// Grafana brings this along with its own style sheets.
await cp(require.resolve('uplot/dist/uPlot.min.css'), join(dist, 'uplot.css'));
// So does the code editor, with the symbols that its style sheet names.
const monaco = join(dirname(require.resolve('monaco-editor/package.json', { paths: [ui] })), 'min/vs');
for (const file of ['editor/editor.main.css', 'base/browser/ui/codicons/codicon/codicon.ttf']) {
  await cp(join(monaco, file), join(dist, 'monaco', file));
}

const bytes = Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
console.log(`explorer: ${(bytes / 1e6).toFixed(1)} MB in ${dist}`);
