using Microsoft.AspNetCore.SignalR;

namespace Hubline.Interop.Server;

/// <summary>Refuses one method before it runs.</summary>
public sealed class RefusingFilter : IHubFilter
{
    public ValueTask<object?> InvokeMethodAsync(HubInvocationContext context, Func<HubInvocationContext, ValueTask<object?>> next) =>
        context.HubMethodName == nameof(TestHub.Refused) ? throw new HubException("refused by a filter") : next(context);
}
