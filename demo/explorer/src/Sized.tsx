import React, { ReactNode, useEffect, useRef, useState } from 'react';

interface Props {
  height: number;
  children: (width: number) => ReactNode;
}

/** Gives its child the width there is: Grafana's panels want to know theirs. */
export function Sized({ height, children }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  return (
    <div ref={box} style={{ height, overflow: 'hidden' }}>
      {width > 0 && children(width)}
    </div>
  );
}
