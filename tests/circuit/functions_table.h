/* Sections of docs/functions.md. Any test file of this folder adds its own with a static object:
 *
 *     std::string signs() { return text_of_the_section; }
 *     const functions_table::Entry entry(400, "Signs", signs);
 *
 * functions_test.cc joins the sections by order (then by title) and compares the page with them. Orders in
 * use: 100 to 300 polynomials, exp, 1/S, 500 to 540 activations, roots, norms, 600 to 620 signs, maxima, 800
 * softmax, 900 NEXUS; leave gaps. `text`
 * ends with a newline. */
#ifndef MZV_TEST_FUNCTIONS_TABLE_H
#define MZV_TEST_FUNCTIONS_TABLE_H
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <string>
#include <vector>

namespace functions_table {

struct Section {
    int order;
    const char *title;
    std::string (*text)();
};

/* All that were registered, in no order. */
inline std::vector<Section> &registered() {
    static std::vector<Section> sections;
    return sections;
}

struct Entry {
    Entry(int order, const char *title, std::string (*text)()) {
        registered().push_back({ order, title, text });
    }
};

inline std::vector<Section> ordered() {
    std::vector<Section> sections = registered();
    std::sort(sections.begin(), sections.end(), [](const Section &a, const Section &b) {
        return a.order != b.order ? a.order < b.order : std::string(a.title) < b.title;
    });
    return sections;
}

/* As sprintf, at most 511 characters. */
inline std::string print(const char *format, ...) __attribute__((format(printf, 1, 2)));
inline std::string print(const char *format, ...) {
    char line[512];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    return line;
}

} // namespace functions_table
#endif
