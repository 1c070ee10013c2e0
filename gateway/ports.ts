/** @returns why a server cannot listen: that its port is occupied, in words for the operator, or the error as it is */
export function listenFault(error: NodeJS.ErrnoException, port: number | undefined, what: string): Error {
  return error.code === 'EADDRINUSE' ? new Error(`port ${port} (${what}) is occupied`) : error;
}
