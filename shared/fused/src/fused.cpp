// Calls libtorch's operator of a convolution with its activation, which has no binding in tch: it is
// registered for compiled graphs, in a namespace of its own.

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/List.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <string_view>

namespace {

using Operator = at::Tensor(const at::Tensor &, const at::Tensor &, const std::optional<at::Tensor> &,
                            at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, int64_t,
                            std::string_view, c10::List<std::optional<at::Scalar>>,
                            std::optional<std::string_view>);

const c10::TypedOperatorHandle<Operator> &convolution() {
  static const auto found = c10::Dispatcher::singleton()
                                .findSchemaOrThrow("mkldnn::_convolution_pointwise", "")
                                .typed<Operator>();
  return found;
}

}  // namespace

// A new tensor, or null and what went wrong in `message`. `highest` is what the output is clamped to
// from 0 up, infinity too; a negative number leaves it as it is. `top` rows of zeros are above and below the
// input, `left` columns on both sides of it.
extern "C" at::Tensor *agespan_fused_convolution(const at::Tensor *input, const at::Tensor *weight,
                                                 const at::Tensor *bias, int64_t stride, int64_t top,
                                                 int64_t left, int64_t groups, double highest,
                                                 char *message, size_t length) noexcept {
  try {
    const int64_t strides[2] = {stride, stride}, paddings[2] = {top, left};
    const int64_t dilations[2] = {1, 1};
    c10::List<std::optional<at::Scalar>> bounds;
    std::string_view activation = "none";
    if (std::isinf(highest)) {
      activation = "relu";
    } else if (highest >= 0) {
      activation = "hardtanh";
      bounds.push_back(at::Scalar(0.0));
      bounds.push_back(at::Scalar(highest));
    }
    return new at::Tensor(convolution().call(*input, *weight, *bias, paddings, strides, dilations,
                                             groups, activation, bounds, std::string_view("")));
  } catch (const std::exception &error) {
    std::strncpy(message, error.what(), length - 1);
    message[length - 1] = 0;
    return nullptr;
  }
}
