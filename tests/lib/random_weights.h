/* Random weights for a model that has its configuration and layers only. */
#ifndef MZV_TESTS_RANDOM_WEIGHTS_H
#define MZV_TESTS_RANDOM_WEIGHTS_H
#include <list>
#include <random>
#include <string>
#include <vector>
#include "models/model_config.h"

struct RandomWeights {
    std::mt19937 generator { 7 };
    std::list<std::vector<float>> store;
    std::vector<std::string> names;

    static mzv_status visit(void *user, const mzv_weight *w) {
        RandomWeights *self = static_cast<RandomWeights *>(user);
        const bool scale = std::string(w->name).find("weight") != std::string::npos && w->rank == 1;
        std::normal_distribution<float> draw(scale ? 1.0f : 0.0f, 0.4f);
        self->store.emplace_back(size_t(w->shape[0]) * w->shape[1]);
        for (float &x : self->store.back()) x = draw(self->generator);
        *w->data = self->store.back().data();
        self->names.push_back(w->name);
        return MZV_OK;
    }
};

#endif
