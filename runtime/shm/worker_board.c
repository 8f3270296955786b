/*
 * worker_board — places, one behind the other, in the order of their lanes.
 */
#include "shm/worker_board.h"

#include <assert.h>
#include <string.h>

#define LAYOUT 3

size_t worker_board_bytes(uint32_t lanes)
{
    size_t bytes = lanes * sizeof(struct worker_place);
    return (bytes + SEGMENT_PAGE_BYTES - 1) / SEGMENT_PAGE_BYTES * SEGMENT_PAGE_BYTES;
}

bool worker_board_init(struct worker_board *board, struct segment *segment, uint32_t lanes)
{
    *board = (struct worker_board){
        .places = segment_allot(segment, "workers", LAYOUT, worker_board_bytes(lanes)),
        .lanes = lanes};
    return board->places != NULL;
}

struct worker_place *worker_board_place(const struct worker_board *board, uint32_t lane)
{
    assert(lane < board->lanes);
    return &board->places[lane];
}

/* Cut where it is too long. The length comes last: a text of before is never longer than told. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes through it. */
static void set_text(char *text, size_t room, uint32_t *length, struct slice from)
{
    size_t kept = from.length < room ? from.length : room;

    __atomic_store_n(length, 0, __ATOMIC_RELEASE);
    if (kept > 0)
        memcpy(text, from.start, kept);
    __atomic_store_n(length, (uint32_t)kept, __ATOMIC_RELEASE);
}

void worker_place_set_pid(struct worker_place *place, int pid)
{
    __atomic_store_n(&place->pid, pid, __ATOMIC_RELAXED);
}

void worker_place_set_state(struct worker_place *place, enum worker_state state)
{
    __atomic_store_n(&place->state, state, __ATOMIC_RELAXED);
}

void worker_place_set_current(struct worker_place *place, uint64_t generation)
{
    __atomic_store_n(&place->current, generation, __ATOMIC_RELAXED);
}

void worker_place_set_load(struct worker_place *place, double delay_seconds, double shed_level,
                           double shed_settled)
{
    __atomic_store(&place->delay_seconds, &delay_seconds, __ATOMIC_RELAXED);
    __atomic_store(&place->shed_level, &shed_level, __ATOMIC_RELAXED);
    __atomic_store(&place->shed_settled, &shed_settled, __ATOMIC_RELAXED);
}

double worker_board_shed_settled(const struct worker_board *board, const struct worker_place *place)
{
    double sum = 0;
    unsigned count = 0;

    for (uint32_t i = 0; i < board->lanes; i++) {
        double settled;

        __atomic_load(&board->places[i].shed_settled, &settled, __ATOMIC_RELAXED);
        /* Whatever a mad worker wrote. */
        if (&board->places[i] == place || !(settled > 0 && settled <= 1))
            continue;
        sum += settled;
        count++;
    }
    return count > 0 ? sum / count : 0;
}

struct worker_outline worker_place_outline(const struct worker_place *place)
{
    struct worker_outline outline = {
        .pid = __atomic_load_n(&place->pid, __ATOMIC_RELAXED),
        .state = (enum worker_state)__atomic_load_n(&place->state, __ATOMIC_RELAXED),
        .generation = __atomic_load_n(&place->current, __ATOMIC_RELAXED),
    };
    __atomic_load(&place->delay_seconds, &outline.delay_seconds, __ATOMIC_RELAXED);
    __atomic_load(&place->shed_level, &outline.shed_level, __ATOMIC_RELAXED);
    return outline;
}

const char *worker_state_name(enum worker_state state)
{
    switch (state) {
    case WORKER_STARTING:
        return "starting";
    case WORKER_SERVING:
        return "serving";
    case WORKER_DRAINING:
        return "draining";
    }
    return "unknown";
}

void worker_place_set_route(struct worker_place *place, uint64_t key, struct slice name)
{
    if (place->route_key == key)
        return;
    __atomic_store_n(&place->route_key, key, __ATOMIC_RELAXED);
    set_text(place->route, sizeof(place->route), &place->route_length,
             key != 0 ? name : slice_of("", 0));
}

void worker_place_set_lines(struct worker_place *place, struct slice lines)
{
    set_text(place->lines, sizeof(place->lines), &place->lines_length, lines);
}

double worker_place_turn(const struct worker_place *place)
{
    double turn_started;
    __atomic_load(&place->turn_started, &turn_started, __ATOMIC_RELAXED);
    return turn_started;
}

void worker_place_ask(struct worker_place *place)
{
    __atomic_store_n(&place->lines_length, 0, __ATOMIC_RELEASE);
}

/* Its worker may have been killed while it wrote, or be mad: no length is believed. */
static struct slice text_of(const char *text, size_t room, const uint32_t *length)
{
    size_t told = __atomic_load_n(length, __ATOMIC_ACQUIRE);
    return slice_of(text, told < room ? told : room);
}

struct worker_sight worker_place_read(const struct worker_place *place)
{
    uint32_t step = worker_place_step(place);

    return (struct worker_sight){
        .generation = __atomic_load_n(&place->generation, __ATOMIC_RELAXED),
        .phase = WORKER_STEP_PHASE(step),
        .plugin = WORKER_STEP_PLUGIN(step),
        .route = text_of(place->route, sizeof(place->route), &place->route_length),
        .lines = text_of(place->lines, sizeof(place->lines), &place->lines_length),
    };
}

void worker_place_clear(struct worker_place *place)
{
    memset(place, 0, sizeof(*place));
}

const char *worker_phase_name(enum worker_phase phase)
{
    switch (phase) {
    case WORKER_PHASE_NONE:
        return "";
    case WORKER_PHASE_REQUEST:
        return "request";
    case WORKER_PHASE_RESPOND:
        return "respond";
    case WORKER_PHASE_RESPONSE:
        return "response";
    case WORKER_PHASE_RESPONSE_CHUNK:
        return "response_chunk";
    case WORKER_PHASE_RESPONSE_BODY:
        return "response_body";
    case WORKER_PHASE_LOG:
        return "log";
    case WORKER_PHASE_WHEN:
        return "when";
    case WORKER_PHASE_TASK:
        return "task";
    case WORKER_PHASE_START:
        return "start";
    case WORKER_PHASE_STOP:
        return "stop";
    }
    return "unknown";
}
