using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hubline.Interop.Client;

/// <summary>Writes one line of JSON for each reply and each event, and requests values from the test process.</summary>
public sealed class Output(TextWriter writer)
{
    private readonly Lock gate = new();
    private readonly ConcurrentDictionary<int, TaskCompletionSource<object?>> asked = new();
    private int last;

    public void Reply(JsonElement id, JsonNode? value) => Write(new JsonObject { ["id"] = id.GetInt32(), ["value"] = value });

    public void Fail(JsonElement id, Exception error) => Write(new JsonObject { ["id"] = id.GetInt32(), ["error"] = error.Message });

    public void Emit(string name, string source, JsonNode? value = null, string? method = null) =>
        Write(new JsonObject { ["event"] = name, ["source"] = source, ["method"] = method, ["value"] = value });

    /// <summary>Emits an event, and returns the test process's answer, which <see cref="Answer"/> receives.</summary>
    public Task<object?> Ask(string name, string source, JsonNode? value = null, string? method = null)
    {
        var request = Interlocked.Increment(ref last);
        var answer = asked[request] = new TaskCompletionSource<object?>(TaskCreationOptions.RunContinuationsAsynchronously);
        Write(new JsonObject { ["event"] = name, ["source"] = source, ["method"] = method, ["value"] = value, ["request"] = request });
        return answer.Task;
    }

    public void Answer(int request, object? value, string? error)
    {
        if (!asked.TryRemove(request, out var answer)) return;
        if (error is null) answer.SetResult(value);
        else answer.SetException(new InvalidOperationException(error));
    }

    private void Write(JsonObject line)
    {
        lock (gate)
        {
            writer.WriteLine(line.ToJsonString());
            writer.Flush();
        }
    }
}
