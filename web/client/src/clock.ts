// Time that has passed, whatever the machine did meanwhile.

/** Milliseconds since some moment. Never goes back. */
export type Clock = () => number;

/**
 * A clock that goes on while the machine sleeps, which the platform's monotonic clock does not everywhere: of the monotonic clock and
 * the wall clock it follows whichever went further. A wall clock that is set forward makes it too fast once, so that rows look older than they are, never newer.
 */
export function steadyClock(monotonic: Clock = () => performance.now(), wall: Clock = () => Date.now()): Clock {
  let [atMonotonic, atWall, passed] = [monotonic(), wall(), 0];
  return () => {
    const [nowMonotonic, nowWall] = [monotonic(), wall()];
    passed += Math.max(nowMonotonic - atMonotonic, nowWall - atWall, 0);
    [atMonotonic, atWall] = [nowMonotonic, nowWall];
    return passed;
  };
}
