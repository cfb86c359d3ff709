/** Numbers as people here write them. One formatter for all: to make one costs more than a frame has. */

const format = new Intl.NumberFormat();

export function number(value: number): string {
  return format.format(value);
}

/** In powers of 1024. */
export function inBytes(count: number): string {
  if (count < 1024) return `${count} B`;
  const power = Math.min(Math.floor(Math.log2(count) / 10), 4);
  return `${(count / 1024 ** power).toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}
