using System.Diagnostics;
using Microsoft.AspNetCore.SignalR;

namespace Hubline.Bench;

public sealed record FanOut(int Receivers, int PerTurn, double ForMs, long AtLeast, int? WindowMessages, bool IsGrouped = false);

public sealed record Pace(double PerSecond, double ForMs);

public static class CpuTime
{
    /// <summary>The CPU time of all threads of this process, user and system, in microseconds.</summary>
    public static double Us => Environment.CpuUsage.TotalTime.TotalMicroseconds;
}

/// <summary>Sends numbered payloads to all connections, as bench/server.mjs does.</summary>
public sealed class Broadcasts(IHubContext<BenchHub> hub, IHubContext<GroupsHub> grouped)
{
    private const int WindowBytes = 64 * 1024;
    private long _sent;
    private long _delivered;
    private TaskCompletionSource _wake = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void SetDelivered(long delivered)
    {
        Volatile.Write(ref _delivered, delivered);
        Volatile.Read(ref _wake).TrySetResult();
    }

    /// <summary>Broadcasts for a time and a least number of deliveries, and waits until all have arrived.</summary>
    public async Task<object> FanOutAsync(FanOut options)
    {
        var (receivers, perTurn, forMs, atLeast, _, isGrouped) = options;
        var window = options.WindowMessages ?? Math.Max(perTurn, WindowBytes / 200);
        var first = _sent;
        var cpuUs = CpuTime.Us;
        var watch = Stopwatch.StartNew();
        var sends = new Task[perTurn];
        do
        {
            for (var i = 0; i < perTurn; i++) sends[i] = isGrouped ? SendToGroupAsync() : SendAsync();
            await Task.WhenAll(sends);
            await ArrivedAsync((_sent - window) * receivers);
        }
        while (watch.Elapsed.TotalMilliseconds < forMs || (_sent - first) * receivers < atLeast);
        await ArrivedAsync(_sent * receivers);
        return new { count = (_sent - first) * receivers, cpuUs = CpuTime.Us - cpuUs, ms = watch.Elapsed.TotalMilliseconds };
    }

    /// <summary>Broadcasts at a steady rate, without waiting for arrivals. Returns the instants in milliseconds, and the number of rejected sends.</summary>
    public async Task<object> PaceAsync(Pace options)
    {
        var (perSecond, forMs) = options;
        var first = _sent;
        var sentAt = new List<double>();
        var rejected = 0;
        var startedAt = NowMs;
        for (var i = 0; i * 1000 / perSecond < forMs; i++)
        {
            var restMs = startedAt + i * 1000 / perSecond - NowMs;
            if (restMs > 0) await Task.Delay(TimeSpan.FromMilliseconds(restMs));
            sentAt.Add(NowMs);
            _ = SendAsync().ContinueWith(
                _ => Interlocked.Increment(ref rejected),
                CancellationToken.None,
                TaskContinuationOptions.NotOnRanToCompletion | TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
        }
        return new { first, sentAt, rejected = Volatile.Read(ref rejected) };
    }

    /// <summary>The monotonic clock, which all processes of the machine share.</summary>
    private static double NowMs => Stopwatch.GetTimestamp() * 1000.0 / Stopwatch.Frequency;

    private Task SendAsync() => hub.Clients.All.SendAsync("m", Payload.Of(_sent++));

    private Task SendToGroupAsync()
    {
        var number = _sent++;
        return grouped.Clients.Group(GroupsHub.GroupOf(number)).SendAsync("m", Payload.Of(number));
    }

    private async Task ArrivedAsync(long count)
    {
        while (true)
        {
            var wake = Volatile.Read(ref _wake);
            if (Volatile.Read(ref _delivered) >= count) return;
            await wake.Task;
            Interlocked.CompareExchange(ref _wake, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), wake);
        }
    }
}
