"""A PyTorch model on the chip by one word: `python examples/torch_compile.py` (needs the extra `torch`)."""

import torch

import lithify.torch


def main() -> None:
    """Compiles by the first batch, runs, compiles again for another shape; what stays on the host is named."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(8, 5), torch.nn.Softmax(-1),
    ).eval()  # fmt: skip
    fast = torch.compile(model, backend="lithify", options={"chip": "tiny", "device": "asic:0"})
    with torch.no_grad():
        for batch in (torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8), torch.randn(4, 3, 8, 8)):
            difference = float((fast(batch) - model(batch)).abs().max())
            print(f"{len(batch)} images: at most {difference:.4f} from float32")
    shapes = sum(len(graph.compiled) for graph in lithify.torch.graphs())
    on_host = {name for graph in lithify.torch.graphs() for name in graph.host_nodes}
    print(f"compiled for {shapes} shapes; on the host: {', '.join(on_host) or 'nothing'}")


if __name__ == "__main__":
    main()
