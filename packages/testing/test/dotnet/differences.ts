import type { Difference } from '../matrix.ts';

/** The behaviours that Microsoft's .NET client does not have with any server. */
export const DOTNET_CLIENT_DIFFERENCES: readonly Difference[] = [
  { behaviour: 'receives an event in any case', why: 'it compares the names of events with case' },
  { behaviour: 'ends a stream to the server with an error', why: 'it sends the whole exception, with its type' },
  { behaviour: 'reconnects to another address', why: 'the URL of a connection is fixed' },
  { behaviour: 'sends no cookies if withCredentials is false', why: 'it has no such option: its container of cookies is always used' },
];

/** The behaviours that no client has with ASP.NET Core. */
export const ASPNET_DIFFERENCES: readonly Difference[] = [
  {
    behaviour: 'rejects calls of an unknown method',
    why: 'the text of ASP.NET Core is "Failed to invoke … HubException: Method does not exist."',
  },
  {
    behaviour: 'rejects if the result cannot be encoded',
    why: 'ASP.NET Core closes the connection, or leaves the value out in MessagePack',
  },
];
