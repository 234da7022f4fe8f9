import { Fragment, type ReactNode } from 'react';

/** Text that may be wrapped after each "/" and "@", so that no path is broken within a name. */
export function breakable(text: string): ReactNode {
  const parts = text.split(/(?<=[/@])/);
  return parts.map((part, index) => (
    // oxlint-disable-next-line react/no-array-index-key -- parts of a fixed text have no other key
    <Fragment key={index}>
      {index > 0 && <wbr />}
      {part}
    </Fragment>
  ));
}
