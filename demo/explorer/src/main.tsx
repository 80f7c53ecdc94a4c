import React from 'react';
import { createRoot } from 'react-dom/client';
import { createTheme, ThemeContext } from '@grafana/data';
import { ErrorBoundaryAlert, GlobalStyles, PortalContainer } from '@grafana/ui';

import { Explorer } from './Explorer';
import { provideServices } from './services';

// Icons lie below the page's own folder.
Object.assign(window, { __grafana_public_path__: './' });
provideServices();

// Grafana's own fonts are not part of its packages.
const theme = createTheme({
  colors: { mode: 'dark' },
  typography: { fontFamily: 'system-ui, sans-serif', fontFamilyMonospace: 'ui-monospace, monospace' },
});

createRoot(document.getElementById('explorer')!).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <ErrorBoundaryAlert>
      <Explorer />
    </ErrorBoundaryAlert>
    <PortalContainer />
  </ThemeContext.Provider>
);
