// Drives Microsoft's .NET client by commands: a line of JSON on the standard input each, answered by a line on the standard output.
// packages/testing/test/dotnet/dotnet-peer.ts writes the commands. The program ends with its input.
using System.Text.Json;
using Hubline.Interop.Client;

var output = new Output(Console.Out);
await using var runner = new Runner(output);
while (await Console.In.ReadLineAsync() is { } line)
{
    runner.Run(JsonDocument.Parse(line).RootElement);
}
