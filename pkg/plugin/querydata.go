package plugin

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/experimental/concurrent"
)

// queriesAtOnce bounds how many queries of one request run at the same time.
const queriesAtOnce = 10

// QueryData runs the queries of a request at the same time; each has its own answer or error.
func (d *DataSource) QueryData(ctx context.Context, request *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	alert := fromAlert(request.Headers)
	return concurrent.QueryData(ctx, request, func(ctx context.Context, q concurrent.Query) (response backend.DataResponse) {
		defer func() {
			if r := recover(); r != nil {
				response = refused(broken(ctx, q.DataQuery.RefID, r))
			}
		}()
		return d.query(ctx, q.DataQuery, alert)
	}, queriesAtOnce)
}

// fromAlert says whether the alerting engine asks. The user says nothing: it is an account like any other.
func fromAlert(headers map[string]string) bool {
	return headers[backend.FromAlertHeaderName] == "true"
}

// query answers one query.
func (d *DataSource) query(ctx context.Context, asked backend.DataQuery, alert bool) backend.DataResponse {
	q, err := d.question(ctx, asked, alert)
	if err != nil {
		return refused(err)
	}
	list, err := q.answer(ctx)
	if err != nil {
		return refused(err)
	}
	return backend.DataResponse{Status: http.StatusOK, Frames: list}
}

// errBroken is a fault of ours.
var errBroken = errors.New("the plugin made a mistake with this query; Grafana's log has the details")

// broken logs a panic and is what the user hears of it.
func broken(ctx context.Context, refID string, cause any) error {
	backend.Logger.FromContext(ctx).Error("query", "refId", refID, "panic", cause, "stack", string(debug.Stack()))
	return errBroken
}
