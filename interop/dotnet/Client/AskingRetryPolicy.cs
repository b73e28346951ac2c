using System.Globalization;
using Microsoft.AspNetCore.SignalR.Client;

namespace Hubline.Interop.Client;

/// <summary>Requests each delay from the test process, in milliseconds. The interface is synchronous, so a thread waits for the answer.</summary>
public sealed class AskingRetryPolicy(Output output, string name) : IRetryPolicy
{
    public TimeSpan? NextRetryDelay(RetryContext retryContext) =>
        output.Ask("delay", name, retryContext.PreviousRetryCount).GetAwaiter().GetResult() is { } delay
            ? TimeSpan.FromMilliseconds(Convert.ToDouble(delay, CultureInfo.InvariantCulture))
            : null;
}
