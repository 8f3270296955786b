/*
 * deadline_rules — what a route makes of what a request says of the time that is left for it.
 */
#pragma once

#include "upstream/deadline.h"

struct deadline_rules {
    struct deadline_field field;
    double seconds_max;   /* nobody is believed more; 0: no limit */
    double seconds_least; /* with less left a request is not sent */
    bool trusts_proxies;  /* what a trusted one says may be longer than the route's total time */
    bool is_passed_on;    /* the upstream is told what is left */
    bool is_report_only;  /* nothing is ended and nothing changed; it is counted */
};
