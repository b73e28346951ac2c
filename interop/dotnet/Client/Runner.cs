using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http.Connections;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.Extensions.DependencyInjection;

namespace Hubline.Interop.Client;

/// <summary>Runs the commands of the test process, which gives names to connections, streams and uploads.</summary>
public sealed class Runner(Output output) : IAsyncDisposable
{
    /// <summary>By default SignalR waits two seconds before the second attempt, which follows a loss that the test process has caused.</summary>
    private static readonly TimeSpan[] ReconnectDelays = [.. new[] { 0, 50, 200, 2_000, 10_000 }.Select(delay => TimeSpan.FromMilliseconds(delay))];

    private readonly ConcurrentDictionary<string, HubConnection> connections = new();
    private readonly ConcurrentDictionary<string, Channel<object?>> uploads = new();
    private readonly ConcurrentDictionary<string, CancellationTokenSource> streams = new();

    /// <summary>Begins a command. The commands of one upload run in their order. Any other command that takes time is answered when it has ended.</summary>
    public void Run(JsonElement command)
    {
        var name = command.GetProperty("name").GetString()!;
        switch (command.GetProperty("op").GetString())
        {
            case "connect":
                Connect(name, command);
                break;
            case "start":
                _ = Answered(command, async () =>
                {
                    await connections[name].StartAsync();
                    return connections[name].ConnectionId;
                });
                break;
            case "stop":
                _ = Answered(command, async () =>
                {
                    await connections[name].StopAsync();
                    return null;
                });
                break;
            case "invoke":
                _ = Answered(command, async () =>
                    Values.ToJson(await connections[name].InvokeCoreAsync(Method(command), ResultType(command), Arguments(command))));
                break;
            case "send":
                _ = Answered(command, async () =>
                {
                    await connections[name].SendCoreAsync(Method(command), Arguments(command));
                    return null;
                });
                break;
            case "stream":
                _ = Stream(connections[name], command);
                break;
            case "cancel":
                if (streams.TryGetValue(name, out var cancellation)) cancellation.Cancel();
                break;
            case "on":
                On(name, command);
                break;
            case "next":
                UploadOf(name).Writer.TryWrite(Value(command.GetProperty("value")));
                break;
            case "complete":
                var error = command.TryGetProperty("error", out var text) ? new InvalidOperationException(text.GetString()) : null;
                UploadOf(name).Writer.TryComplete(error);
                break;
            case "answer":
                output.Answer(
                    command.GetProperty("request").GetInt32(),
                    command.TryGetProperty("value", out var value) ? Value(value) : null,
                    command.TryGetProperty("error", out var message) ? message.GetString() : null);
                break;
            case var op:
                throw new ArgumentException($"There is no command '{op}'.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in connections.Values) await connection.DisposeAsync();
    }

    private void Connect(string name, JsonElement command)
    {
        var builder = new HubConnectionBuilder().WithUrl(command.GetProperty("url").GetString()!, options =>
        {
            options.Transports = command.GetProperty("transports").EnumerateArray()
                .Select(transport => Enum.Parse<HttpTransportType>(transport.GetString()!))
                .Aggregate(HttpTransportType.None, (all, one) => all | one);
            options.SkipNegotiation = command.GetProperty("skipNegotiation").GetBoolean();
            if (command.GetProperty("hasToken").GetBoolean())
            {
                options.AccessTokenProvider = async () => (string?)await output.Ask("token", name);
            }
            foreach (var header in command.GetProperty("headers").EnumerateObject()) options.Headers[header.Name] = header.Value.GetString()!;
        });
        switch (command.GetProperty("protocol").GetString())
        {
            case "messagepack":
                builder.AddMessagePackProtocol();
                break;
            case "newtonsoft":
                builder.AddNewtonsoftJsonProtocol(options => options.PayloadSerializerSettings.ContractResolver = null);
                break;
            default:
                builder.AddJsonProtocol(options => options.PayloadSerializerOptions.PropertyNamingPolicy = null);
                break;
        }
        if (command.GetProperty("hasPolicy").GetBoolean()) builder.WithAutomaticReconnect(new AskingRetryPolicy(output, name));
        else if (command.GetProperty("reconnects").GetBoolean()) builder.WithAutomaticReconnect(ReconnectDelays);
        if (command.TryGetProperty("serverTimeoutMs", out var timeout)) builder.WithServerTimeout(TimeSpan.FromMilliseconds(timeout.GetDouble()));
        if (command.TryGetProperty("keepAliveMs", out var interval)) builder.WithKeepAliveInterval(TimeSpan.FromMilliseconds(interval.GetDouble()));

        var connection = builder.Build();
        connection.Closed += error => Emit("closed", name, error?.Message);
        connection.Reconnecting += error => Emit("reconnecting", name, error?.Message);
        connection.Reconnected += id => Emit("reconnected", name, id);
        connections[name] = connection;
    }

    private void On(string name, JsonElement command)
    {
        var method = Method(command);
        var types = Enumerable.Repeat(typeof(object), command.GetProperty("parameters").GetInt32()).ToArray();
        if (command.GetProperty("hasResult").GetBoolean())
        {
            connections[name].On(method, types, (arguments, _) => output.Ask("called", name, Values.ToJson(arguments), method), new object());
            return;
        }
        connections[name].On(method, types, (arguments, _) => Emit("received", name, Values.ToJson(arguments), method), new object());
    }

    private async Task Stream(HubConnection connection, JsonElement command)
    {
        var name = command.GetProperty("stream").GetString()!;
        using var cancellation = streams[name] = new CancellationTokenSource();
        try
        {
            await foreach (var item in connection.StreamAsyncCore<object?>(Method(command), Arguments(command), cancellation.Token))
            {
                await Emit("item", name, Values.ToJson(item));
            }
            await Emit("completed", name);
        }
        catch (Exception error)
        {
            if (!cancellation.IsCancellationRequested) await Emit("failed", name, error.Message);
        }
        finally
        {
            streams.TryRemove(name, out _);
        }
    }

    private async Task Answered(JsonElement command, Func<Task<JsonNode?>> run)
    {
        var id = command.GetProperty("id");
        try
        {
            output.Reply(id, await run());
        }
        catch (Exception error)
        {
            output.Fail(id, error);
        }
    }

    private Task Emit(string name, string source, JsonNode? value = null, string? method = null)
    {
        output.Emit(name, source, value, method);
        return Task.CompletedTask;
    }

    private Channel<object?> UploadOf(string name) => uploads.GetOrAdd(name, _ => Channel.CreateUnbounded<object?>());

    private object? Value(JsonElement json) => Values.FromJson(json, name => UploadOf(name).Reader);

    private object?[] Arguments(JsonElement command) => [.. command.GetProperty("args").EnumerateArray().Select(Value)];

    private static string Method(JsonElement command) => command.GetProperty("method").GetString()!;

    private static Type ResultType(JsonElement command) =>
        command.TryGetProperty("result", out var name) ? Values.Types[name.GetString()!] : typeof(object);
}
