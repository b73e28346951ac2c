using System.Net.Http.Headers;
using System.Net.WebSockets;
using System.Text;

namespace Hubline.Interop.Raw;

/// <summary>A connection that carries text.</summary>
public interface IRawTransport : IAsyncDisposable
{
    Task SendAsync(string text, CancellationToken cancellationToken);

    Task<string> ReceiveAsync(CancellationToken cancellationToken);
}

public sealed class WebSocketTransport : IRawTransport
{
    private readonly ClientWebSocket socket = new();
    private readonly byte[] buffer = new byte[4096];

    public static async Task<IRawTransport> OpenAsync(string url, CancellationToken cancellationToken)
    {
        var transport = new WebSocketTransport();
        await transport.socket.ConnectAsync(new Uri(url.Replace("http", "ws", StringComparison.Ordinal)), cancellationToken);
        return transport;
    }

    public Task SendAsync(string text, CancellationToken cancellationToken) =>
        socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, cancellationToken);

    public async Task<string> ReceiveAsync(CancellationToken cancellationToken)
    {
        var result = await socket.ReceiveAsync(buffer, cancellationToken);
        if (result.MessageType == WebSocketMessageType.Close) throw new IOException($"The server closed with {result.CloseStatus}.");
        return Encoding.UTF8.GetString(buffer, 0, result.Count);
    }

    public async ValueTask DisposeAsync()
    {
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
        socket.Dispose();
    }
}

/// <summary>Receives server-sent events, and sends by POST.</summary>
public sealed class EventStreamTransport(HttpClient http, string url, StreamReader events) : IRawTransport
{
    public static async Task<IRawTransport> OpenAsync(HttpClient http, string url, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        response.EnsureSuccessStatusCode();
        return new EventStreamTransport(http, url, new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken)));
    }

    public Task SendAsync(string text, CancellationToken cancellationToken) => Post.SendAsync(http, url, text, cancellationToken);

    public async Task<string> ReceiveAsync(CancellationToken cancellationToken)
    {
        while (await events.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.StartsWith("data: ", StringComparison.Ordinal)) return line["data: ".Length..];
        }
        throw new IOException("The stream of events has ended.");
    }

    public ValueTask DisposeAsync()
    {
        events.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>Receives by repeated GET, and sends by POST.</summary>
public sealed class PollingTransport(HttpClient http, string url) : IRawTransport
{
    public static async Task<IRawTransport> OpenAsync(HttpClient http, string url, CancellationToken cancellationToken)
    {
        using var first = await http.GetAsync(url, cancellationToken); // opens the connection, and returns at once
        first.EnsureSuccessStatusCode();
        return new PollingTransport(http, url);
    }

    public Task SendAsync(string text, CancellationToken cancellationToken) => Post.SendAsync(http, url, text, cancellationToken);

    public async Task<string> ReceiveAsync(CancellationToken cancellationToken)
    {
        using var response = await http.GetAsync(url, cancellationToken);
        response.EnsureSuccessStatusCode();
        return await response.Content.ReadAsStringAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        using var response = await http.DeleteAsync(url, CancellationToken.None);
        response.EnsureSuccessStatusCode();
    }
}

internal static class Post
{
    public static async Task SendAsync(HttpClient http, string url, string text, CancellationToken cancellationToken)
    {
        using var content = new StringContent(text, Encoding.UTF8, "text/plain");
        using var response = await http.PostAsync(url, content, cancellationToken);
        response.EnsureSuccessStatusCode();
    }
}
