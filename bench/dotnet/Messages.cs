using System.Text.Json;

namespace Hubline.Bench;

/// <summary>Reads requests from the standard input, one JSON object a line, and writes replies to the standard output (bench/child.mjs).</summary>
public sealed class Messages(IReadOnlyDictionary<string, Func<JsonElement, Task<object?>>> handlers, Action<JsonElement> notified)
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web);
    private readonly Lock _output = new();

    /// <summary>Handles requests until the input is closed, which happens also when the other process is killed.</summary>
    public async Task RunAsync()
    {
        while (await Console.In.ReadLineAsync() is { } line)
        {
            var message = JsonDocument.Parse(line).RootElement;
            if (message.TryGetProperty("id", out var id)) _ = HandleAsync(id.GetInt32(), message);
            else notified(message);
        }
    }

    private async Task HandleAsync(int id, JsonElement message)
    {
        try
        {
            var reply = await handlers[message.GetProperty("name").GetString()!](message.GetProperty("options"));
            var line = JsonSerializer.Serialize(new { id, reply }, Options);
            lock (_output) Console.WriteLine(line);
        }
        catch (Exception error)
        {
            // The request has no reply, so the end of this process ends the benchmark.
            await Console.Error.WriteLineAsync(error.ToString());
            Environment.Exit(1);
        }
    }
}
