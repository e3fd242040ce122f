#pragma once
#include "../options.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/core/worker_pool.hpp"
#include "saddle/data/dataset.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/small_cnn.hpp"

using network_type = saddle::model<saddle::networks::small_cnn<>, saddle::shape<1, 28, 28>, saddle::backend::cpu>;
using program_type = std::remove_cvref_t<decltype(prepare(std::declval<const network_type&>()))>;

/// The paper's network, read from --weights or trained as they did and written there. network.cpp
network_type trained_network(const options& o, const saddle::split_dataset& data);

/// Attacks every image of `data` towards all targets and prints tables III and IV, as --table says. tables.cpp
void print_tables(const options& o, const program_type& program, const saddle::dataset& data, saddle::worker_pool& pool);
