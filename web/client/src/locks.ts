// Web Locks: by them one sees that a tab is dead, and who leads.

/** Where there are none: in Node, and on plain HTTP of another host than this one. */
const locks = (): LockManager | undefined => globalThis.navigator?.locks;

export function hasLocks(): boolean {
  return locks() !== undefined;
}

/** Holds a lock until `release` is called, or this tab is no more. Resolves once it is held; rejects where it was called off before. */
export function hold(name: string, signal?: AbortSignal): Promise<{ release(): void }> {
  return new Promise((resolve, reject) => {
    const held = locks()?.request(name, { ...(signal && { signal }) }, () => new Promise<void>((release) => resolve({ release })));
    held?.catch(reject);
  });
}

/** Resolves when the lock that a tab held is free: the tab is no more, or has let it go. */
export async function isReleased(name: string): Promise<void> {
  await locks()?.request(name, () => undefined);
}
