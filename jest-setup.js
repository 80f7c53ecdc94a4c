import './.config/jest-setup';
import { configure } from '@testing-library/react';

// A loaded machine needs longer than the second after which what is waited for would count as missing.
configure({ asyncUtilTimeout: 30_000 });

// jsdom has no MessageChannel, which React's scheduler wants. Node's own would keep the process alive after the last
// test, so this one delivers through a timer.
class MessageChannelStub {
  constructor() {
    this.port1 = { onmessage: null };
    this.port2 = { postMessage: (data) => setTimeout(() => this.port1.onmessage?.({ data })) };
  }
}

Object.defineProperty(global, 'MessageChannel', { writable: true, value: MessageChannelStub });

class IntersectionObserverStub {
  observe() {}
  unobserve() {}
  disconnect() {}
}

Object.defineProperty(global, 'IntersectionObserver', { writable: true, value: IntersectionObserverStub });

// jsdom draws nothing either; what measures a text gets a width.
HTMLCanvasElement.prototype.getContext = () => ({ measureText: (text) => ({ width: 8 * text.length }) });

// jsdom lays nothing out: lists that render only what is visible get a box to show it in.
for (const side of ['clientWidth', 'clientHeight']) {
  Object.defineProperty(Element.prototype, side, { configurable: true, value: 400 });
}

// Nothing is laid out, so style sheets decide nothing here; matching every element against every rule takes seconds.
window.getComputedStyle = (element) => element.style;
