"""The networks of the comparison."""

import torch
from torch import nn
from torch.nn import functional


def conv_small():
    """28x28x1, two strided convolutions without padding and two linear layers: 3,604 ReLU outputs and 10 logits."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 4, stride=2), nn.ReLU(),
        nn.Conv2d(16, 32, 4, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * 5 * 5, 100), nn.ReLU(), nn.Linear(100, 10))


def small_cnn():
    """28x28x1, the MNIST network of TRADES (Zhang et al. 2019)."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(64 * 4 * 4, 200), nn.ReLU(), nn.Dropout(.5), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10))


class PreActBlock(nn.Module):
    """BN, ReLU, convolution, twice; the shortcut convolution reads the first ReLU's output (He et al. 2016)."""

    def __init__(self, channels_in, channels_out, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False))

    def forward(self, images):
        activated = functional.relu(self.bn1(images))
        kept = self.shortcut(activated) if hasattr(self, "shortcut") else images
        return self.conv2(functional.relu(self.bn2(self.conv1(activated)))) + kept


class PreActResNet18(nn.Module):
    """32x32x3; names and form of kuangliu/pytorch-cifar: no batch norm or ReLU after the last block."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        channels_in = 64
        for index, (channels, stride) in enumerate(((64, 1), (128, 2), (256, 2), (512, 2)), start=1):
            blocks = nn.Sequential(PreActBlock(channels_in, channels, stride), PreActBlock(channels, channels, 1))
            setattr(self, f"layer{index}", blocks)
            channels_in = channels
        self.linear = nn.Linear(512, 10)

    def forward(self, images):
        out = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(images)))))
        return self.linear(functional.avg_pool2d(out, 4).flatten(1))


def forward_flops(model, image_shape):
    """Multiply-adds of convolutions and linear layers for one image, counted directly as 2 each: (all, first layer)."""
    counts = []

    def count(module, _, output):
        if isinstance(module, nn.Conv2d):
            inner = module.in_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
        else:
            inner = module.in_features
        counts.append(2 * inner * output.numel())

    hooks = [module.register_forward_hook(count) for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    training = model.training
    model.eval()
    with torch.no_grad():
        model(torch.zeros(1, *image_shape))
    model.train(training)
    for hook in hooks:
        hook.remove()
    return sum(counts), counts[0]
