/** Numbers as people here write them. One formatter for all: to make one costs more than a frame has. */

const format = new Intl.NumberFormat();

export function number(value: number): string {
  return format.format(value);
}
