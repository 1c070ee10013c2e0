/** The compiled board configuration, which the build puts in place of this module. */
declare module 'virtual:board' {
  const board: import('./board.ts').Board;
  export default board;
}
