"""Captum's attributions without matplotlib. Captum imports its plotting module on sight; nothing here plots, so
empty modules stand in for the names it asks for when matplotlib is not installed."""

import importlib.util
import sys
import types
import warnings


class _Anything(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


if importlib.util.find_spec("matplotlib") is None:
    for _name in ("matplotlib", "matplotlib.pyplot", "matplotlib.collections", "matplotlib.colors", "matplotlib.figure",
                  "mpl_toolkits", "mpl_toolkits.axes_grid1"):
        sys.modules[_name] = _Anything(_name)

from captum.attr import Deconvolution, GuidedBackprop, LayerGradCam, Saliency, Occlusion  # noqa: E402

for _message in ("Setting backward hooks on ReLU", "Input Tensor . did not already require gradients"):
    warnings.filterwarnings("ignore", message=_message)

__all__ = ["Deconvolution", "GuidedBackprop", "LayerGradCam", "Saliency", "Occlusion"]
